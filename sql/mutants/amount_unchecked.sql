-- Mutant: the amount that the caller names is paid, and nobody compares it with what the job cost.
-- Setting: refund_of_two_amounts
-- Trips: refund_matches_charge
-- Plain: it is as wrong when one call follows the other, so every interleaving equals a serial order
--
-- | time | w1                                  | w2                                        | balance            |
-- |------|-------------------------------------|-------------------------------------------|--------------------|
-- | T0   |                                     | refund_job_atomic(j1, 3000): not compared | 4000               |
-- | T1   |                                     | refund +3000, status = failed, COMMIT     | 7000, charged 1000 |
-- | T2   | answer: already failed and refunded |                                           | 7000               |

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

  -- mutated: the caller has the price from its own queue, and a queue may be wrong

  SELECT public.refund_balance_atomic(
    p_user_id, p_amount, 'Refund of a failed job', jsonb_build_object('job_id', p_job_id)
  ) INTO v_refund;

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
