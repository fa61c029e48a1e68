-- A row means: the queue is empty, yet a job is neither completed nor failed.
-- Its user may have been charged and would wait for ever. Check it only after every worker has ended.
SELECT j.job_id,
       j.user_id,
       j.status,
       l.charged,
       l.refunded
FROM public.story_jobs AS j
CROSS JOIN LATERAL (
  SELECT coalesce(-sum(t.amount) FILTER (WHERE t.type = 'generation'), 0) AS charged,
         coalesce(sum(t.amount) FILTER (WHERE t.type = 'refund'), 0) AS refunded
  FROM public.balance_transactions AS t
  WHERE t.metadata ->> 'job_id' = j.job_id
) AS l
WHERE j.job_id = ANY (:'jobs'::text[])
  AND j.status IN ('pending', 'processing')
ORDER BY j.job_id COLLATE "C";
