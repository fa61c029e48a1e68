-- Mutant: the balance is read without a lock and written as a number, so that the second refund overwrites the first.
-- Setting: two_jobs_one_user
-- Trips: balance_matches_ledger
--
-- | time | w1                            | w2                           | balance        |
-- |------|-------------------------------|------------------------------|----------------|
-- | T0   | refund j1: read 3300          |                              | 3300           |
-- | T1   |                               | refund j2: read 3300         | 3300           |
-- | T2   |                               | balance = 3300 + 700, COMMIT | 4000           |
-- | T3   | balance = 3300 + 1000, COMMIT |                              | 4300, 700 lost |

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

  UPDATE public.user_balances AS b
  -- mutated: what was read, plus the amount, in place of what is there, plus the amount
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
