-- Gives a user a bonus and opens the account where there is none yet. One statement does both, so two first-time
-- callers queue at the key: the second adds to what the first has left.

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

  INSERT INTO public.user_balances AS b (user_id, balance)
  VALUES (p_user_id, p_amount)
  ON CONFLICT (user_id) DO UPDATE SET balance = b.balance + excluded.balance, updated_at = now()
  RETURNING b.balance INTO v_after;

  INSERT INTO public.balance_transactions
    (user_id, type, amount, description, balance_before, balance_after)
  VALUES
    (p_user_id, 'bonus', p_amount, 'Welcome bonus', v_after - p_amount, v_after);

  RETURN jsonb_build_object('success', true, 'amount', p_amount, 'new_balance', v_after);
END
$$;

REVOKE EXECUTE ON FUNCTION public.grant_bonus_atomic(uuid, integer) FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.grant_bonus_atomic(uuid, integer) TO service_role;
