-- A row means: over all users, credits appeared from nowhere or vanished.
-- What users hold must be what was put in (openings, purchases, bonuses, refunds that belong to no job) less the
-- charges of jobs that did not fail. Refunds of jobs are not counted: they must cancel the charge, no more and no less.
WITH held AS (
  SELECT coalesce(sum(b.balance), 0) AS total
  FROM public.user_balances AS b
  WHERE b.user_id = ANY (:'users'::uuid[])
), opening AS (
  SELECT coalesce(sum(f.balance_before), 0) AS total
  FROM (SELECT DISTINCT unnest(:'users'::uuid[]) AS user_id) AS u
  CROSS JOIN LATERAL (
    SELECT t.balance_before
    FROM public.balance_transactions AS t
    WHERE t.user_id = u.user_id
    ORDER BY t.seq
    LIMIT 1
  ) AS f
), moved AS (
  SELECT coalesce(sum(t.amount) FILTER (
           WHERE t.type IN ('initial', 'purchase', 'bonus') OR (t.type = 'refund' AND t.metadata ->> 'job_id' IS NULL)
         ), 0) AS put_in,
         coalesce(-sum(t.amount) FILTER (
           WHERE t.type = 'generation' AND j.status IS DISTINCT FROM 'failed'
         ), 0) AS spent
  FROM public.balance_transactions AS t
  LEFT JOIN public.story_jobs AS j ON j.job_id = t.metadata ->> 'job_id'
  WHERE t.user_id = ANY (:'users'::uuid[])
)
SELECT opening.total + moved.put_in AS put_in,
       moved.spent,
       opening.total + moved.put_in - moved.spent AS expected_total,
       held.total AS actual_total,
       held.total - (opening.total + moved.put_in - moved.spent) AS difference
FROM held, opening, moved
WHERE held.total <> opening.total + moved.put_in - moved.spent
ORDER BY difference;
