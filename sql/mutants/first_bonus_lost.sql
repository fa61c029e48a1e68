-- Mutant: two first-time callers collide on the key of the balance row, and WHEN OTHERS turns that into a polite
--   refusal.
-- Setting: two_first_bonuses
-- Trips: serial_equivalence
--
-- | time | w1                         | w2                 | balance       |
-- |------|----------------------------|--------------------|---------------|
-- | T0   | UPDATE → no row            |                    | none          |
-- | T1   |                            | UPDATE → no row    | none          |
-- | T2   |                            | INSERT 300, COMMIT | 300           |
-- | T3   | INSERT 500: 23505, caught  |                    | 300           |
-- | T4   | answer: not opened; COMMIT |                    | 300, 500 lost |

CREATE OR REPLACE FUNCTION public.grant_bonus_atomic(
  p_user_id uuid,
  p_amount  integer
) RETURNS jsonb
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_after integer;
BEGIN
  IF p_user_id IS NULL THEN
    RETURN jsonb_build_object('success', false, 'error', 'User id is required');
  END IF;
  IF p_amount IS NULL OR p_amount <= 0 THEN
    RETURN jsonb_build_object('success', false, 'error', 'Amount must be positive');
  END IF;

  UPDATE public.user_balances AS b
  SET balance = b.balance + p_amount, updated_at = now()
  WHERE b.user_id = p_user_id
  RETURNING b.balance INTO v_after;

  IF NOT FOUND THEN
    BEGIN
      INSERT INTO public.user_balances (user_id, balance) VALUES (p_user_id, p_amount)
      RETURNING balance INTO v_after;
    EXCEPTION WHEN OTHERS THEN
      -- mutated: the account has been opened by now, and nobody tries again
      RETURN jsonb_build_object('success', false, 'error', 'Account could not be opened');
    END;
  END IF;

  INSERT INTO public.balance_transactions
    (user_id, type, amount, description, balance_before, balance_after)
  VALUES
    (p_user_id, 'bonus', p_amount, 'Welcome bonus', v_after - p_amount, v_after);

  RETURN jsonb_build_object('success', true, 'amount', p_amount, 'new_balance', v_after);
END
$$;
