-- The fallback of a worker whose refund may have gone wrong: its job is closed, but only when there is nothing left to
-- pay back. What is not paid back is left open for a retry.

CREATE OR REPLACE FUNCTION public.close_job(p_job_id text, p_error_message text) RETURNS jsonb
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE public.story_jobs AS j
  SET error = p_error_message
  WHERE j.job_id = p_job_id AND j.status = 'failed';

  RETURN jsonb_build_object('success', FOUND);
END
$$;

REVOKE EXECUTE ON FUNCTION public.close_job(text, text) FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.close_job(text, text) TO service_role;
