-- A row means: a user's balance is not what the user's ledger rows add up to.
-- The opening balance is what the user's first row found: 0 where the ledger starts with an `initial` row.
SELECT u.user_id,
       l.opening + l.movements AS expected_balance,
       b.balance AS actual_balance,
       coalesce(b.balance, 0) - (l.opening + l.movements) AS difference,
       l.ledger_rows
FROM (SELECT DISTINCT unnest(:'users'::uuid[]) AS user_id) AS u
LEFT JOIN public.user_balances AS b ON b.user_id = u.user_id
CROSS JOIN LATERAL (
  SELECT coalesce((array_agg(t.balance_before ORDER BY t.seq))[1], 0) AS opening,
         coalesce(sum(t.amount), 0) AS movements,
         count(*) AS ledger_rows
  FROM public.balance_transactions AS t
  WHERE t.user_id = u.user_id
) AS l
WHERE coalesce(b.balance, 0) <> l.opening + l.movements
ORDER BY u.user_id;
