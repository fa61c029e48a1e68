-- Mutant: the two functions lock in opposite orders, and the deadlock that comes of it is answered like a refusal.
-- Setting: refund_and_complete
-- Trips: deadlock
--
-- | time | w1                                 | w2                         | job        |
-- |------|------------------------------------|----------------------------|------------|
-- | T0   | lock the job                       |                            | processing |
-- | T1   |                                    | lock the balance           | processing |
-- | T2   |                                    | lock the job (BLOCKED)     | processing |
-- | T3   | lock the balance: deadlock, caught |                            | processing |
-- | T4   | answer: please try again; COMMIT   | lock granted               | processing |
-- | T5   |                                    | status = completed, COMMIT | completed  |

CREATE OR REPLACE FUNCTION public.refund_job_atomic(
  p_job_id        text,
  p_user_id       uuid,
  p_amount        integer,
  p_error_message text
) RETURNS jsonb
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_refusal  jsonb := jsonb_build_object('success', false, 'refunded', false, 'job_id', p_job_id);
  v_job_user uuid;
  v_status   text;
  v_charge   bigint;
  v_refund   jsonb;
BEGIN
  IF p_job_id IS NULL THEN
    RETURN v_refusal || jsonb_build_object('error', 'Job id is required');
  END IF;
  IF p_user_id IS NULL THEN
    RETURN v_refusal || jsonb_build_object('error', 'User id is required');
  END IF;
  IF p_amount IS NULL OR p_amount <= 0 THEN
    RETURN v_refusal || jsonb_build_object('error', 'Amount must be positive');
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
    RETURN v_refusal || jsonb_build_object('error', 'Job already failed and refunded');
  END IF;
  IF v_status = 'completed' THEN
    RETURN v_refusal || jsonb_build_object('error', 'Job already completed');
  END IF;

  -- A job has no cost column. What it cost is what its user was charged; NULL if nothing was.
  SELECT -sum(t.amount) INTO v_charge
  FROM public.balance_transactions AS t
  WHERE t.metadata ->> 'job_id' = p_job_id
    AND t.user_id = p_user_id
    AND t.type = 'generation';

  IF v_charge IS DISTINCT FROM p_amount THEN
    RETURN v_refusal || jsonb_build_object('error', 'Amount differs from the charge');
  END IF;

  BEGIN
    SELECT public.refund_balance_atomic(
      p_user_id, p_amount, 'Refund of a failed job', jsonb_build_object('job_id', p_job_id)
    ) INTO v_refund;
  EXCEPTION WHEN deadlock_detected THEN
    -- mutated: nobody sees the deadlock any more, and it still ends one call in two
    v_refund := jsonb_build_object('success', false, 'error', 'Please try again later');
  END;

  -- The job is not marked failed without its refund: a later retry would be turned away for ever.
  IF (v_refund ->> 'success')::boolean IS NOT TRUE THEN
    RETURN v_refusal || jsonb_build_object('error', v_refund ->> 'error');
  END IF;

  UPDATE public.story_jobs AS j
  SET status = 'failed', error = p_error_message, completed_at = now()
  WHERE j.job_id = p_job_id;

  RETURN jsonb_build_object(
    'success', true, 'refunded', true, 'job_id', p_job_id,
    'amount', p_amount, 'new_balance', v_refund -> 'new_balance'
  );
END
$$;

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

  -- mutated: the balance before the job; the refund locks the job before the balance
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
