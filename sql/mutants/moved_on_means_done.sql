-- Mutant: a call that finds the job taken looks twice at a progress counter, and takes the other call for finished
--   when it moved.
-- Setting: two_refunds
-- Trips: one_refund_per_job
--
-- | time | w1                                    | w2                                    | balance |
-- |------|---------------------------------------|---------------------------------------|---------|
-- | T0   | try lock → true                       |                                       | 4000    |
-- | T1   | SELECT status → processing            |                                       | 4000    |
-- | T2   |                                       | try lock → false                      | 4000    |
-- | T3   |                                       | progress → n                          | 4000    |
-- | T4   | progress: n + 1                       |                                       | 4000    |
-- | T5   |                                       | progress → n + 1, so it has finished  | 4000    |
-- | T6   |                                       | SELECT status → processing            | 4000    |
-- | T7   |                                       | refund +1000, status = failed, COMMIT | 5000    |
-- | T8   | refund +1000, status = failed, COMMIT |                                       | 6000    |
--
-- It takes three preemptive switches: T1 to T2, T3 to T4, T4 to T5. No schedule with two shows it.

-- A sequence, since its steps show before the COMMIT.
CREATE SEQUENCE public.refund_progress;
SELECT setval('public.refund_progress', 1);

REVOKE ALL ON SEQUENCE public.refund_progress FROM PUBLIC, anon, authenticated, service_role;

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
  v_seen     bigint;
  v_now      bigint;
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

  IF NOT pg_try_advisory_xact_lock(hashtext(p_job_id)) THEN
    SELECT s.last_value INTO v_seen FROM public.refund_progress AS s;
    SELECT s.last_value INTO v_now FROM public.refund_progress AS s;

    IF v_now = v_seen THEN
      RETURN v_refusal || jsonb_build_object('error', 'Refund in progress');
    END IF;
    -- mutated: it has got further, which does not say that it has come to its end
  END IF;

  SELECT j.user_id, j.status INTO v_job_user, v_status
  FROM public.story_jobs AS j
  WHERE j.job_id = p_job_id;

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

  PERFORM nextval('public.refund_progress');

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
