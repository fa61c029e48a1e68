-- A row means: a user's balance is, or according to the ledger once was, below zero.
-- A row without seq is the cached balance.
SELECT n.user_id, n.seq, n.job_id, n.balance
FROM (
  SELECT b.user_id, NULL::bigint AS seq, NULL::text AS job_id, b.balance
  FROM public.user_balances AS b
  WHERE b.user_id = ANY (:'users'::uuid[])
  UNION ALL
  SELECT t.user_id, t.seq, t.metadata ->> 'job_id', least(t.balance_before, t.balance_after)
  FROM public.balance_transactions AS t
  WHERE t.user_id = ANY (:'users'::uuid[])
) AS n
WHERE n.balance < 0
ORDER BY n.user_id, n.seq NULLS FIRST;
