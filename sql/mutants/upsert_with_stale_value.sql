-- Mutant: INSERT … ON CONFLICT DO UPDATE is one step, but it writes a sum that was made before it.
-- Setting: two_first_bonuses
-- Trips: balance_matches_ledger
--
-- | time | w1                                     | w2                      | balance       |
-- |------|----------------------------------------|-------------------------|---------------|
-- | T0   | balance → none, sum 500                |                         | none          |
-- | T1   |                                        | balance → none, sum 300 | none          |
-- | T2   |                                        | INSERT 300, COMMIT      | 300           |
-- | T3   | conflict: UPDATE balance = 500, COMMIT |                         | 500, 300 lost |

CREATE OR REPLACE FUNCTION public.grant_bonus_atomic(
  p_user_id uuid,
  p_amount  integer
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

  SELECT b.balance INTO v_before
  FROM public.user_balances AS b
  WHERE b.user_id = p_user_id;

  v_before := coalesce(v_before, 0);

  -- mutated: `excluded.balance` is the sum made above, not the amount
  INSERT INTO public.user_balances AS b (user_id, balance)
  VALUES (p_user_id, v_before + p_amount)
  ON CONFLICT (user_id) DO UPDATE SET balance = excluded.balance, updated_at = now()
  RETURNING b.balance INTO v_after;

  INSERT INTO public.balance_transactions
    (user_id, type, amount, description, balance_before, balance_after)
  VALUES
    (p_user_id, 'bonus', p_amount, 'Welcome bonus', v_before, v_after);

  RETURN jsonb_build_object('success', true, 'amount', p_amount, 'new_balance', v_after);
END
$$;
