-- Mutant: the refund row is written with ON CONFLICT DO NOTHING, and the balance is raised whether or not it was
--   written.
-- Setting: two_refunds
-- Trips: balance_matches_ledger
--
-- | time | w1                                       | w2                                    | balance              |
-- |------|------------------------------------------|---------------------------------------|----------------------|
-- | T0   | SELECT status → processing               |                                       | 4000                 |
-- | T1   |                                          | SELECT status → processing            | 4000                 |
-- | T2   |                                          | refund +1000, status = failed, COMMIT | 5000                 |
-- | T3   | INSERT refund: conflict, nothing written |                                       | 5000                 |
-- | T4   | balance + 1000, failed, COMMIT           |                                       | 6000, one refund row |

CREATE UNIQUE INDEX balance_transactions_one_refund_idx
  ON public.balance_transactions ((metadata ->> 'job_id')) WHERE type = 'refund';

CREATE OR REPLACE FUNCTION public.refund_balance_atomic(
  p_user_id  uuid,
  p_amount   integer,
  p_reason   text,
  p_metadata jsonb
) RETURNS jsonb
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_before integer;
  v_after  integer;
BEGIN
  IF p_user_id IS NULL THEN
    RETURN jsonb_build_object('success', false, 'error', 'User id is required');
  END IF;
  IF p_amount IS NULL OR p_amount <= 0 THEN
    RETURN jsonb_build_object('success', false, 'error', 'Amount must be positive');
  END IF;
  IF jsonb_typeof(p_metadata) IS DISTINCT FROM 'object' THEN
    RETURN jsonb_build_object('success', false, 'error', 'Metadata must be a JSON object');
  END IF;

  SELECT b.balance INTO v_before
  FROM public.user_balances AS b
  WHERE b.user_id = p_user_id
  FOR UPDATE;

  IF NOT FOUND THEN
    RETURN jsonb_build_object('success', false, 'error', 'User not found');
  END IF;
  IF v_before::bigint + p_amount > 2147483647 THEN
    RETURN jsonb_build_object('success', false, 'error', 'Balance would overflow', 'balance', v_before);
  END IF;

  v_after := v_before + p_amount;
  INSERT INTO public.balance_transactions
    (user_id, type, amount, description, balance_before, balance_after, metadata)
  VALUES
    (p_user_id, 'refund', p_amount, p_reason, v_before, v_after, p_metadata)
  ON CONFLICT ((metadata ->> 'job_id')) WHERE type = 'refund' DO NOTHING;

  -- mutated: FOUND is not asked, so a refund that was not written is paid as well
  UPDATE public.user_balances AS b
  SET balance = v_after, updated_at = now()
  WHERE b.user_id = p_user_id;

  RETURN jsonb_build_object('success', true, 'amount', p_amount, 'old_balance', v_before, 'new_balance', v_after);
END
$$;

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

  -- mutated: the unique index sees to it that a job is refunded once
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
