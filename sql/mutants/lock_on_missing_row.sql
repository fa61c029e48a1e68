-- Mutant: FOR UPDATE on a balance row that is not there yet locks nothing, and both calls take the balance to be 0.
-- Setting: two_first_bonuses
-- Trips: ledger_chain
--
-- | time | w1                                | w2                                      | balance |
-- |------|-----------------------------------|-----------------------------------------|---------|
-- | T0   | SELECT … FOR UPDATE → no row      |                                         | none    |
-- | T1   |                                   | SELECT … FOR UPDATE → no row            | none    |
-- | T2   |                                   | INSERT 0, + 300, ledger 0 → 300, COMMIT | 300     |
-- | T3   | INSERT: conflict, nothing written |                                         | 300     |
-- | T4   | + 500, ledger 0 → 800, COMMIT     |                                         | 800     |

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
  WHERE b.user_id = p_user_id
  FOR UPDATE;

  IF NOT FOUND THEN
    -- mutated: there was nothing to lock, so somebody else may have opened the account since
    INSERT INTO public.user_balances (user_id, balance) VALUES (p_user_id, 0) ON CONFLICT (user_id) DO NOTHING;
    v_before := 0;
  END IF;

  UPDATE public.user_balances AS b
  SET balance = b.balance + p_amount, updated_at = now()
  WHERE b.user_id = p_user_id
  RETURNING b.balance INTO v_after;

  INSERT INTO public.balance_transactions
    (user_id, type, amount, description, balance_before, balance_after)
  VALUES
    (p_user_id, 'bonus', p_amount, 'Welcome bonus', v_before, v_after);

  RETURN jsonb_build_object('success', true, 'amount', p_amount, 'new_balance', v_after);
END
$$;
