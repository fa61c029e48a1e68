-- deduct_balance_atomic as shipped, but "the same charge is not written down twice": the row is left out where there is
-- one already, and the credits are taken all the same.
--
--  T0  charge j1: 5000 -> 4900, its row, and it commits
--  T1  its worker dies, or its connection, before the answer is read
--  T2  the retry charges j1: 4900 -> 4800, and no row
--
-- A queue charges a job once. Only a charge whose answer was lost is made again.

CREATE OR REPLACE FUNCTION public.deduct_balance_atomic(
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
    RETURN jsonb_build_object('success', false, 'error', 'User not found');
  END IF;
  IF v_before < p_amount THEN
    RETURN jsonb_build_object('success', false, 'error', 'Insufficient balance', 'balance', v_before);
  END IF;

  UPDATE public.user_balances AS b
  SET balance = b.balance - p_amount, updated_at = now()
  WHERE b.user_id = p_user_id
  RETURNING b.balance INTO v_after;

  INSERT INTO public.balance_transactions
    (user_id, type, amount, description, balance_before, balance_after, metadata)
  SELECT p_user_id, 'generation', -p_amount, p_reason, v_before, v_after, p_metadata
  WHERE NOT EXISTS (SELECT FROM public.balance_transactions AS t WHERE t.metadata = p_metadata);

  RETURN jsonb_build_object('success', true, 'amount', p_amount, 'old_balance', v_before, 'new_balance', v_after);
END
$$;

REVOKE EXECUTE ON FUNCTION public.deduct_balance_atomic(uuid, integer, text, jsonb) FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.deduct_balance_atomic(uuid, integer, text, jsonb) TO service_role;
