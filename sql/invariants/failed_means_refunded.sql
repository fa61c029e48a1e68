-- A row means: a charged job failed without exactly one refund, or a job that has not both failed and been charged has one.
-- A refund of a completed job is reported by completed_means_no_refund.
SELECT j.job_id,
       j.user_id,
       j.status,
       l.charged,
       l.refunds,
       CASE WHEN j.status = 'failed' AND l.charged > 0 THEN 1 ELSE 0 END AS expected_refunds
FROM public.story_jobs AS j
CROSS JOIN LATERAL (
  SELECT coalesce(-sum(t.amount) FILTER (WHERE t.type = 'generation'), 0) AS charged,
         count(*) FILTER (WHERE t.type = 'refund') AS refunds
  FROM public.balance_transactions AS t
  WHERE t.metadata ->> 'job_id' = j.job_id
) AS l
WHERE j.job_id = ANY (:'jobs'::text[])
  AND j.status <> 'completed'
  AND l.refunds <> CASE WHEN j.status = 'failed' AND l.charged > 0 THEN 1 ELSE 0 END
ORDER BY j.job_id COLLATE "C";
