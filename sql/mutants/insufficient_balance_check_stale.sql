-- Mutant: the balance is compared with the price before it is locked; after the wait a floor of zero hides that it no
--   longer suffices.
-- Setting: two_charges_one_balance
-- Trips: no_negative_balance
--
-- | time | w1                            | w2                                     | balance |
-- |------|-------------------------------|----------------------------------------|---------|
-- | T0   | SELECT balance → 5000, enough |                                        | 5000    |
-- | T1   |                               | SELECT balance → 5000, enough          | 5000    |
-- | T2   | lock, charge -3000, COMMIT    |                                        | 2000    |
-- | T3   |                               | lock → 2000, charge -3000              | 2000    |
-- | T4   |                               | balance = 0, ledger says -1000, COMMIT | 0       |

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
  WHERE b.user_id = p_user_id;

  IF NOT FOUND THEN
    RETURN jsonb_build_object('success', false, 'error', 'User not found');
  END IF;
  IF v_before < p_amount THEN
    RETURN jsonb_build_object('success', false, 'error', 'Insufficient balance', 'balance', v_before);
  END IF;

  SELECT b.balance INTO v_before
  FROM public.user_balances AS b
  WHERE b.user_id = p_user_id
  FOR UPDATE;

  -- mutated: read again, and not compared again; greatest() only keeps the constraint quiet
  UPDATE public.user_balances AS b
  SET balance = greatest(b.balance - p_amount, 0), updated_at = now()
  WHERE b.user_id = p_user_id;

  v_after := v_before - p_amount;

  INSERT INTO public.balance_transactions
    (user_id, type, amount, description, balance_before, balance_after, metadata)
  VALUES
    (p_user_id, 'generation', -p_amount, p_reason, v_before, v_after, p_metadata);

  RETURN jsonb_build_object('success', true, 'amount', p_amount, 'old_balance', v_before, 'new_balance', v_after);
END
$$;
