-- Mutant: a completion that meets a serialization failure answers that the job is completed, as if the other worker
--   had done it.
-- Setting: refund_and_complete_rr
-- Trips: ledger_model
-- Plain: the ledger is that of a serial order; only an answer is untrue, which is noted and not judged without a model
--   of the ledger
--
-- | time | w1                                    | w2                                     | job        |
-- |------|---------------------------------------|----------------------------------------|------------|
-- | T0   | BEGIN                                 |                                        | processing |
-- | T1   |                                       | BEGIN                                  | processing |
-- | T2   | lock the job                          |                                        | processing |
-- | T3   |                                       | lock the job (BLOCKED): snapshot taken | processing |
-- | T4   | refund +1000, status = failed, COMMIT | 40001, caught                          | failed     |
-- | T5   |                                       | answer: completed; COMMIT              | failed     |

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

  BEGIN
    SELECT j.user_id, j.status INTO v_job_user, v_status
    FROM public.story_jobs AS j
    WHERE j.job_id = p_job_id
    FOR UPDATE;
  EXCEPTION WHEN serialization_failure THEN
    -- mutated: whoever changed the job need not have completed it
    RETURN jsonb_build_object('success', true, 'completed', true, 'job_id', p_job_id, 'story_id', p_story_id);
  END;

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
