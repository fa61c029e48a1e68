-- Charges a user for a job. Variables: user, amount, job.
-- name: charge
SELECT deduct_balance_atomic(:'user', :'amount', 'Story generation', jsonb_build_object('job_id', :'job'::text)) AS answer;
