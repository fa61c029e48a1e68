-- A row means: a job was refunded more than once.
SELECT t.metadata ->> 'job_id' AS job_id,
       count(*) AS refunds,
       1 AS expected,
       sum(t.amount) AS refunded,
       array_agg(t.user_id ORDER BY t.seq) AS user_ids,
       array_agg(t.seq ORDER BY t.seq) AS seqs
FROM public.balance_transactions AS t
WHERE t.metadata ->> 'job_id' = ANY (:'jobs'::text[])
  AND t.type = 'refund'
GROUP BY t.metadata ->> 'job_id'
HAVING count(*) > 1
ORDER BY (t.metadata ->> 'job_id') COLLATE "C";
