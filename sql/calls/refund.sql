-- Fails a job and refunds its charge. Variables: job, user, amount, error.
-- name: refund
SELECT refund_job_atomic(:'job', :'user', :'amount', :'error') AS answer;
