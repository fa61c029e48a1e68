-- Mutant: receipts are numbered by max + 1 under the lock on one user's balance, while the numbers are for all users.
-- Setting: two_goodwill_refunds
-- Trips: serial_equivalence
--
-- | time | w1                                | w2                                | receipts |
-- |------|-----------------------------------|-----------------------------------|----------|
-- | T0   | lock alice, max → 0               |                                   |          |
-- | T1   |                                   | lock bob, max → 0                 |          |
-- | T2   | refund row with receipt 1, COMMIT |                                   | 1        |
-- | T3   |                                   | refund row with receipt 1, COMMIT | 1, 1     |

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
  v_before  integer;
  v_after   integer;
  v_receipt integer;
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

  UPDATE public.user_balances AS b
  SET balance = b.balance + p_amount, updated_at = now()
  WHERE b.user_id = p_user_id
  RETURNING b.balance INTO v_after;

  -- mutated: another user's refund reads the same maximum
  SELECT coalesce(max((t.metadata ->> 'receipt')::integer), 0) + 1 INTO v_receipt
  FROM public.balance_transactions AS t
  WHERE t.type = 'refund';

  INSERT INTO public.balance_transactions
    (user_id, type, amount, description, balance_before, balance_after, metadata)
  VALUES
    (p_user_id, 'refund', p_amount, p_reason, v_before, v_after,
     p_metadata || jsonb_build_object('receipt', v_receipt));

  RETURN jsonb_build_object('success', true, 'amount', p_amount, 'old_balance', v_before, 'new_balance', v_after);
END
$$;
