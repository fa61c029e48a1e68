-- A row means: a user was refunded more for a job than that user was charged for it, or a refund is not above zero.
-- A refund paid to a user who was not charged shows as charged = 0.
SELECT l.job_id,
       l.user_id,
       l.charged,
       l.refunded,
       l.smallest_refund,
       l.refunds
FROM (
  SELECT t.metadata ->> 'job_id' AS job_id,
         t.user_id,
         coalesce(-sum(t.amount) FILTER (WHERE t.type = 'generation'), 0) AS charged,
         sum(t.amount) FILTER (WHERE t.type = 'refund') AS refunded,
         min(t.amount) FILTER (WHERE t.type = 'refund') AS smallest_refund,
         count(*) FILTER (WHERE t.type = 'refund') AS refunds
  FROM public.balance_transactions AS t
  WHERE t.metadata ->> 'job_id' = ANY (:'jobs'::text[])
  GROUP BY t.metadata ->> 'job_id', t.user_id
) AS l
WHERE l.refunded > l.charged OR l.smallest_refund <= 0
ORDER BY l.job_id COLLATE "C", l.user_id;
