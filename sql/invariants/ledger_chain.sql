-- A row means: a ledger row does not start where the user's previous row ended, or does not add up itself.
-- Rows are taken in seq order; created_at is the start of the transaction and says nothing about the order.
SELECT c.user_id,
       c.seq,
       c.type,
       c.job_id,
       c.amount,
       c.expected_before,
       c.balance_before AS actual_before,
       c.balance_before::bigint + c.amount AS expected_after,
       c.balance_after AS actual_after
FROM (
  SELECT t.user_id,
         t.seq,
         t.type,
         t.metadata ->> 'job_id' AS job_id,
         t.amount,
         t.balance_before,
         t.balance_after,
         lag(t.balance_after, 1, t.balance_before) OVER (PARTITION BY t.user_id ORDER BY t.seq) AS expected_before
  FROM public.balance_transactions AS t
  WHERE t.user_id = ANY (:'users'::uuid[])
) AS c
WHERE c.balance_before <> c.expected_before
   OR c.balance_after <> c.balance_before::bigint + c.amount
ORDER BY c.user_id, c.seq;
