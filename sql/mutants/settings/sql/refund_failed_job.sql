-- What a worker calls that sends no SQL but one CALL: refund_job_atomic, committed by the procedure itself.
-- A procedure that commits can have neither SECURITY DEFINER nor SET: it runs with the rights of its caller.

CREATE OR REPLACE PROCEDURE public.refund_failed_job(
  p_job_id        text,
  p_user_id       uuid,
  p_amount        integer,
  p_error_message text,
  INOUT p_answer  jsonb DEFAULT NULL
)
LANGUAGE plpgsql
AS $$
BEGIN
  p_answer := public.refund_job_atomic(p_job_id, p_user_id, p_amount, p_error_message);
  COMMIT;
END
$$;

REVOKE EXECUTE ON PROCEDURE public.refund_failed_job(text, uuid, integer, text, jsonb) FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON PROCEDURE public.refund_failed_job(text, uuid, integer, text, jsonb) TO service_role;
