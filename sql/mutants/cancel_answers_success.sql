-- Mutant: a cancelled refund answers as if it had been made, and its caller will not ask again.
-- Setting: refund_struck
-- Trips: acknowledged_refunds
-- Plain: nothing is wrong as long as nobody is struck, and `check` strikes nobody.
--
-- | time | w1                                 | retry | w2        | balance |
-- |------|------------------------------------|-------|-----------|---------|
-- | T0   | SELECT … FOR UPDATE                |       |           | 4000    |
-- | T1   | pg_cancel_backend: caught, success |       |           | 4000    |
-- | T2   |                                    |       | heartbeat | 4000    |

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

  BEGIN
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
  EXCEPTION WHEN query_canceled THEN
    -- mutated: the refund is undone with the block
    RETURN jsonb_build_object('success', true, 'refunded', true, 'job_id', p_job_id, 'amount', p_amount);
  END;
END
$$;
