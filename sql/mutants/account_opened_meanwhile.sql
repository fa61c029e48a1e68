-- Mutant: a refund for a user without an account opens one; when somebody else has just done so the row is written and
--   the money is not.
-- Setting: goodwill_and_new_account
-- Trips: balance_matches_ledger
--
-- | time | w1                                            | w2                       | balance          |
-- |------|-----------------------------------------------|--------------------------|------------------|
-- | T0   | SELECT balance → no row                       |                          | no account       |
-- | T1   |                                               | INSERT balance 0, COMMIT | 0                |
-- | T2   | INSERT balance 500: conflict, nothing written |                          | 0                |
-- | T3   | INSERT refund row 0 → 500, COMMIT             |                          | 0, should be 500 |

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
    -- mutated: a conflict says that there is an account by now, not that the money is on it
    INSERT INTO public.user_balances (user_id, balance)
    VALUES (p_user_id, p_amount)
    ON CONFLICT (user_id) DO NOTHING;

    INSERT INTO public.balance_transactions
      (user_id, type, amount, description, balance_before, balance_after, metadata)
    VALUES
      (p_user_id, 'refund', p_amount, p_reason, 0, p_amount, p_metadata);

    RETURN jsonb_build_object('success', true, 'amount', p_amount, 'old_balance', 0, 'new_balance', p_amount);
  END IF;
  IF v_before::bigint + p_amount > 2147483647 THEN
    RETURN jsonb_build_object('success', false, 'error', 'Balance would overflow', 'balance', v_before);
  END IF;

  UPDATE public.user_balances AS b
  SET balance = b.balance + p_amount, updated_at = now()
  WHERE b.user_id = p_user_id
  RETURNING b.balance INTO v_after;

  INSERT INTO public.balance_transactions
    (user_id, type, amount, description, balance_before, balance_after, metadata)
  VALUES
    (p_user_id, 'refund', p_amount, p_reason, v_before, v_after, p_metadata);

  RETURN jsonb_build_object('success', true, 'amount', p_amount, 'old_balance', v_before, 'new_balance', v_after);
END
$$;
