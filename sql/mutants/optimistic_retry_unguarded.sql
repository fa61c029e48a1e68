-- Mutant: an optimistic refund that lost its first attempt reads the balance again and writes its second one
--   unconditionally.
-- Setting: goodwill_and_two_charges
-- Trips: balance_matches_ledger
--
-- | time | w1                                  | w2                  | w3                  | balance              |
-- |------|-------------------------------------|---------------------|---------------------|----------------------|
-- | T0   | SELECT balance → 4000               |                     |                     | 4000                 |
-- | T1   |                                     | charge -300, COMMIT |                     | 3700                 |
-- | T2   | UPDATE … WHERE balance = 4000: none |                     |                     | 3700                 |
-- | T3   | SELECT balance → 3700               |                     |                     | 3700                 |
-- | T4   |                                     |                     | charge -200, COMMIT | 3500                 |
-- | T5   | balance = 4700, COMMIT              |                     |                     | 4700, should be 4500 |
--
-- With one other call the second attempt has the balance to itself.

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
  WHERE b.user_id = p_user_id;

  IF NOT FOUND THEN
    RETURN jsonb_build_object('success', false, 'error', 'User not found');
  END IF;
  IF v_before::bigint + p_amount > 2147483647 THEN
    RETURN jsonb_build_object('success', false, 'error', 'Balance would overflow', 'balance', v_before);
  END IF;

  v_after := v_before + p_amount;
  UPDATE public.user_balances AS b
  SET balance = v_after, updated_at = now()
  WHERE b.user_id = p_user_id AND b.balance = v_before;

  IF NOT FOUND THEN
    SELECT b.balance INTO v_before
    FROM public.user_balances AS b
    WHERE b.user_id = p_user_id;

    -- mutated: nobody loses twice, so the second attempt does not ask
    v_after := v_before + p_amount;
    UPDATE public.user_balances AS b
    SET balance = v_after, updated_at = now()
    WHERE b.user_id = p_user_id;
  END IF;

  INSERT INTO public.balance_transactions
    (user_id, type, amount, description, balance_before, balance_after, metadata)
  VALUES
    (p_user_id, 'refund', p_amount, p_reason, v_before, v_after, p_metadata);

  RETURN jsonb_build_object('success', true, 'amount', p_amount, 'old_balance', v_before, 'new_balance', v_after);
END
$$;
