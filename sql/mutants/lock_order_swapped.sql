-- Mutant: the completion locks the balance and then the job, the refund the job and then the balance.
-- Setting: refund_and_complete
-- Trips: deadlock
--
-- | time | w1                                   | w2                         | job        |
-- |------|--------------------------------------|----------------------------|------------|
-- | T0   | lock the job                         |                            | processing |
-- | T1   |                                      | lock the balance           | processing |
-- | T2   |                                      | lock the job (BLOCKED)     | processing |
-- | T3   | lock the balance: deadlock, ROLLBACK | lock granted               | processing |
-- | T4   |                                      | status = completed, COMMIT | completed  |

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

  -- mutated: the balance first, so that no charge of this user comes in between
  PERFORM 1
  FROM public.user_balances AS b
  WHERE b.user_id = p_user_id
  FOR UPDATE;

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
