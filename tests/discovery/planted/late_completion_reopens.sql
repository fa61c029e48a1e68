-- complete_job_atomic as shipped, but a completion that comes too late reopens the failed job, "for another try".
--
-- No single call shows it, nor any two: a job must have been charged, refunded and completed too late before a second
-- refund finds it in `processing` again, and pays once more.

CREATE OR REPLACE FUNCTION public.complete_job_atomic(
  p_job_id   text,
  p_user_id  uuid,
  p_story_id text,
  p_result   jsonb
) RETURNS jsonb
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_refusal  jsonb := jsonb_build_object('success', false, 'completed', false, 'job_id', p_job_id);
  v_job_user uuid;
  v_status   text;
BEGIN
  IF p_job_id IS NULL THEN
    RETURN v_refusal || jsonb_build_object('error', 'Job id is required');
  END IF;
  IF p_user_id IS NULL THEN
    RETURN v_refusal || jsonb_build_object('error', 'User id is required');
  END IF;
  IF coalesce(p_story_id, '') = '' THEN
    RETURN v_refusal || jsonb_build_object('error', 'Story id is required');
  END IF;

  SELECT j.user_id, j.status INTO v_job_user, v_status
  FROM public.story_jobs AS j
  WHERE j.job_id = p_job_id
  FOR UPDATE;

  IF NOT FOUND THEN
    RETURN v_refusal || jsonb_build_object('error', 'Job not found');
  END IF;
  IF v_job_user <> p_user_id THEN
    RETURN v_refusal || jsonb_build_object('error', 'Job belongs to another user');
  END IF;
  IF v_status = 'failed' THEN
    UPDATE public.story_jobs AS j SET status = 'processing' WHERE j.job_id = p_job_id;
    RETURN v_refusal || jsonb_build_object('error', 'Job already failed');
  END IF;
  IF v_status = 'completed' THEN
    RETURN v_refusal || jsonb_build_object('error', 'Job already completed');
  END IF;

  UPDATE public.story_jobs AS j
  SET status = 'completed', story_id = p_story_id, result = p_result, completed_at = now()
  WHERE j.job_id = p_job_id;

  RETURN jsonb_build_object('success', true, 'completed', true, 'job_id', p_job_id, 'story_id', p_story_id);
END
$$;

REVOKE EXECUTE ON FUNCTION public.complete_job_atomic(text, uuid, text, jsonb) FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.complete_job_atomic(text, uuid, text, jsonb) TO service_role;
