-- Makes a job in `processing` and charges its user for it. Variables: job, user, amount.
-- One statement, so it does both or neither. A refused charge becomes an error that quotes the refusal
-- (invalid input syntax for type integer: "charge refused: …").
WITH job AS (
  INSERT INTO public.story_jobs (job_id, user_id, status, started_at)
  VALUES (:'job', :'user', 'processing', now())
  RETURNING job_id, user_id
), charge AS (
  SELECT public.deduct_balance_atomic(
    job.user_id, :'amount', 'Story generation', jsonb_build_object('job_id', job.job_id)
  ) AS answer
  FROM job
)
SELECT CASE
  WHEN (answer ->> 'success')::boolean THEN (answer ->> 'new_balance')::integer
  ELSE ('charge refused: ' || (answer ->> 'error'))::integer
END AS new_balance
FROM charge;
