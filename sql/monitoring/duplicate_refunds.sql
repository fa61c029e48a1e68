-- A row means: a job was refunded more than once in the last day.
-- Either the migration is missing or a worker process with the old three calls still runs.
SELECT t.metadata ->> 'job_id' AS job_id,
       count(*) AS refunds,
       1 AS expected,
       sum(t.amount) AS refunded,
       array_agg(DISTINCT t.user_id) AS user_ids,
       min(t.created_at) AS first_refund_at,
       max(t.created_at) AS last_refund_at
FROM public.balance_transactions AS t
WHERE t.type = 'refund'
  AND t.created_at > now() - interval '1 day'
  AND t.metadata ->> 'job_id' IS NOT NULL
GROUP BY t.metadata ->> 'job_id'
HAVING count(*) > 1
ORDER BY refunds DESC, (t.metadata ->> 'job_id') COLLATE "C";
