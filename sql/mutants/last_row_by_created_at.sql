-- Mutant: the balance is taken from the ledger's last row by created_at, which is when a transaction began, not when
--   it wrote.
-- Setting: three_goodwill_refunds
-- Trips: balance_matches_ledger
--
-- | time | w1                    | w2              | w3                    | balance        |
-- |------|-----------------------|-----------------|-----------------------|----------------|
-- | T0   | BEGIN                 |                 |                       | 5000           |
-- | T1   |                       | last row → 5000 |                       | 5000           |
-- | T2   |                       | + 200, COMMIT   |                       | 5200           |
-- | T3   | last row: w2's → 5200 |                 |                       | 5200           |
-- | T4   | + 100, COMMIT         |                 |                       | 5300           |
-- | T5   |                       |                 | last row: w2's → 5200 | 5300           |
-- | T6   |                       |                 | 5200 + 400, COMMIT    | 5600, 100 lost |

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

  PERFORM 1
  FROM public.user_balances AS b
  WHERE b.user_id = p_user_id
  FOR UPDATE;

  IF NOT FOUND THEN
    RETURN jsonb_build_object('success', false, 'error', 'User not found');
  END IF;
  -- mutated: who waited for the lock began first and wrote last; seq would tell
  SELECT t.balance_after INTO v_before
  FROM public.balance_transactions AS t
  WHERE t.user_id = p_user_id
  ORDER BY t.created_at DESC
  LIMIT 1;

  IF v_before::bigint + p_amount > 2147483647 THEN
    RETURN jsonb_build_object('success', false, 'error', 'Balance would overflow', 'balance', v_before);
  END IF;

  UPDATE public.user_balances AS b
  SET balance = v_before + p_amount, updated_at = now()
  WHERE b.user_id = p_user_id
  RETURNING b.balance INTO v_after;

  INSERT INTO public.balance_transactions
    (user_id, type, amount, description, balance_before, balance_after, metadata)
  VALUES
    (p_user_id, 'refund', p_amount, p_reason, v_before, v_after, p_metadata);

  RETURN jsonb_build_object('success', true, 'amount', p_amount, 'old_balance', v_before, 'new_balance', v_after);
END
$$;
