-- Mutant: the charge guards the balance with an advisory lock, the refund with a row lock, and neither knows of the
--   other's.
-- Setting: charge_and_refund
-- Trips: balance_matches_ledger
--
-- | time | w1                           | w2                           | balance         |
-- |------|------------------------------|------------------------------|-----------------|
-- | T0   |                              | lock the user's key          | 4000            |
-- | T1   |                              | balance → 4000               | 4000            |
-- | T2   | lock the row, + 1000, COMMIT |                              | 5000            |
-- | T3   |                              | balance = 4000 - 300, COMMIT | 3700, 1000 lost |

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

  -- mutated: keeps out other charges, and nothing else
  PERFORM pg_advisory_xact_lock(hashtext(p_user_id::text));

  SELECT b.balance INTO v_before
  FROM public.user_balances AS b
  WHERE b.user_id = p_user_id;

  IF NOT FOUND THEN
    RETURN jsonb_build_object('success', false, 'error', 'User not found');
  END IF;
  IF v_before < p_amount THEN
    RETURN jsonb_build_object('success', false, 'error', 'Insufficient balance', 'balance', v_before);
  END IF;

  UPDATE public.user_balances AS b
  SET balance = v_before - p_amount, updated_at = now()
  WHERE b.user_id = p_user_id
  RETURNING b.balance INTO v_after;

  INSERT INTO public.balance_transactions
    (user_id, type, amount, description, balance_before, balance_after, metadata)
  VALUES
    (p_user_id, 'generation', -p_amount, p_reason, v_before, v_after, p_metadata);

  RETURN jsonb_build_object('success', true, 'amount', p_amount, 'old_balance', v_before, 'new_balance', v_after);
END
$$;
