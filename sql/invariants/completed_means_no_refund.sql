-- A row means: a job was completed and refunded: the user has the story and the money.
SELECT j.job_id,
       j.user_id,
       j.status,
       j.story_id,
       count(*) AS refunds,
       0 AS expected_refunds,
       sum(t.amount) AS refunded,
       array_agg(t.seq ORDER BY t.seq) AS seqs
FROM public.story_jobs AS j
JOIN public.balance_transactions AS t ON t.metadata ->> 'job_id' = j.job_id
WHERE j.job_id = ANY (:'jobs'::text[])
  AND j.status = 'completed'
  AND t.type = 'refund'
GROUP BY j.job_id, j.user_id, j.status, j.story_id
ORDER BY j.job_id COLLATE "C";
