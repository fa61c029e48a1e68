-- What a worker calls that notes why a job failed before it refunds it: two transactions, the second of which is all or
-- nothing, so that a crash between them leaves nothing that a retry would take for done.

CREATE TABLE public.refund_steps (
  job_id text PRIMARY KEY,
  error  text
);
GRANT SELECT, INSERT, UPDATE ON public.refund_steps TO service_role;

CREATE OR REPLACE PROCEDURE public.refund_in_steps(
  p_job_id        text,
  p_user_id       uuid,
  p_amount        integer,
  p_error_message text,
  INOUT p_answer  jsonb DEFAULT NULL
)
LANGUAGE plpgsql
AS $$
BEGIN
  INSERT INTO public.refund_steps (job_id, error) VALUES (p_job_id, p_error_message)
  ON CONFLICT (job_id) DO UPDATE SET error = excluded.error;
  COMMIT;

  p_answer := public.refund_job_atomic(p_job_id, p_user_id, p_amount, p_error_message);
  COMMIT;
END
$$;

REVOKE EXECUTE ON PROCEDURE public.refund_in_steps(text, uuid, integer, text, jsonb) FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON PROCEDURE public.refund_in_steps(text, uuid, integer, text, jsonb) TO service_role;
