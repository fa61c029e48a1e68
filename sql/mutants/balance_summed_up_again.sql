-- Mutant: the balance is set to the sum of the ledger; the UPDATE that waits for the other's row keeps the sum from
--   before the wait.
-- Setting: two_jobs_one_user
-- Trips: balance_matches_ledger
--
-- | time | w1                          | w2                                    | balance              |
-- |------|-----------------------------|---------------------------------------|----------------------|
-- | T0   | INSERT refund j1            |                                       | 3300                 |
-- | T1   |                             | INSERT refund j2                      | 3300                 |
-- | T2   | UPDATE balance = sum → 4300 |                                       | 3300                 |
-- | T3   |                             | UPDATE balance = sum → 4000 (BLOCKED) | 3300                 |
-- | T4   | status = failed, COMMIT     | row granted                           | 4300                 |
-- | T5   |                             | status = failed, COMMIT               | 4000, should be 5000 |
--
-- In REPEATABLE READ transactions the one that waited gets a serialization failure instead.

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

  INSERT INTO public.balance_transactions
    (user_id, type, amount, description, balance_before, balance_after, metadata)
  VALUES
    (p_user_id, 'refund', p_amount, p_reason, v_before, v_before + p_amount, p_metadata);

  -- mutated: after a wait the row is read again, the subquery is not
  UPDATE public.user_balances AS b
  SET balance = (SELECT sum(t.amount) FROM public.balance_transactions AS t WHERE t.user_id = b.user_id),
      updated_at = now()
  WHERE b.user_id = p_user_id
  RETURNING b.balance INTO v_after;

  RETURN jsonb_build_object('success', true, 'amount', p_amount, 'old_balance', v_before, 'new_balance', v_after);
END
$$;
