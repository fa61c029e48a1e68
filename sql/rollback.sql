-- Removes refund_job_atomic and nothing else. Not recommended: every worker that calls it then fails with
-- "function refund_job_atomic does not exist", and failed jobs stay unrefunded until it is back.
DROP FUNCTION IF EXISTS public.refund_job_atomic(text, uuid, integer, text);
