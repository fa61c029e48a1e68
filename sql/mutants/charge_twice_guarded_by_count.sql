-- Mutant: a job is to be charged once, so its charges are counted first; two requests count before either has charged.
-- Setting: two_charges_one_job
-- Trips: serial_equivalence
--
-- | time | w1                   | w2                   | balance             |
-- |------|----------------------|----------------------|---------------------|
-- | T0   | SELECT count → 0     |                      | 5000                |
-- | T1   |                      | SELECT count → 0     | 5000                |
-- | T2   | charge -1000, COMMIT |                      | 4000                |
-- | T3   |                      | charge -1000, COMMIT | 3000, charged twice |

CREATE OR REPLACE FUNCTION public.deduct_balance_atomic(
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
  v_before  integer;
  v_after   integer;
  v_charges bigint;
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

  -- mutated: counted before the balance is locked, and not again after it
  SELECT count(*) INTO v_charges
  FROM public.balance_transactions AS t
  WHERE t.metadata ->> 'job_id' = p_metadata ->> 'job_id' AND t.type = 'generation';

  IF v_charges > 0 THEN
    RETURN jsonb_build_object('success', false, 'error', 'Job already charged');
  END IF;

  SELECT b.balance INTO v_before
  FROM public.user_balances AS b
  WHERE b.user_id = p_user_id
  FOR UPDATE;

  IF NOT FOUND THEN
    RETURN jsonb_build_object('success', false, 'error', 'User not found');
  END IF;
  IF v_before < p_amount THEN
    RETURN jsonb_build_object('success', false, 'error', 'Insufficient balance', 'balance', v_before);
  END IF;

  UPDATE public.user_balances AS b
  SET balance = b.balance - p_amount, updated_at = now()
  WHERE b.user_id = p_user_id
  RETURNING b.balance INTO v_after;

  INSERT INTO public.balance_transactions
    (user_id, type, amount, description, balance_before, balance_after, metadata)
  VALUES
    (p_user_id, 'generation', -p_amount, p_reason, v_before, v_after, p_metadata);

  RETURN jsonb_build_object('success', true, 'amount', p_amount, 'old_balance', v_before, 'new_balance', v_after);
END
$$;
