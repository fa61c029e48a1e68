-- Takes the oldest job that waits, for the worker of this name; NULL when none does. Jobs that other workers are just
-- taking are passed over.

CREATE OR REPLACE FUNCTION public.claim_next_job(p_worker text) RETURNS text
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_job_id text;
BEGIN
  SELECT j.job_id INTO v_job_id
  FROM public.story_jobs AS j
  WHERE j.status = 'pending'
  ORDER BY j.created_at, j.job_id
  LIMIT 1
  FOR UPDATE SKIP LOCKED;

  UPDATE public.story_jobs AS j
  SET status = 'processing', started_at = now(), payload = j.payload || jsonb_build_object('worker', p_worker)
  WHERE j.job_id = v_job_id;

  RETURN v_job_id;
END
$$;

REVOKE EXECUTE ON FUNCTION public.claim_next_job(text) FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.claim_next_job(text) TO service_role;
