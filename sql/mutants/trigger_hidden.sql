-- Mutant: a trigger on the ledger raises the balance: it reads it, adds the amount and writes the sum, with no lock
--   anywhere.
-- Setting: two_jobs_one_user
-- Trips: balance_matches_ledger
--
-- | time | w1                                   | w2                                   | balance        |
-- |------|--------------------------------------|--------------------------------------|----------------|
-- | T0   | INSERT refund j1: trigger reads 3300 |                                      | 3300           |
-- | T1   |                                      | INSERT refund j2: trigger reads 3300 | 3300           |
-- | T2   |                                      | trigger: balance = 4000, COMMIT      | 4000           |
-- | T3   | trigger: balance = 4300, COMMIT      |                                      | 4300, 700 lost |

CREATE FUNCTION public.apply_refund_to_balance() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- mutated: read here, written below, and nothing keeps others out in between
  SELECT b.balance INTO NEW.balance_before
  FROM public.user_balances AS b
  WHERE b.user_id = NEW.user_id;

  NEW.balance_after := NEW.balance_before + NEW.amount;

  UPDATE public.user_balances AS b
  SET balance = NEW.balance_after, updated_at = now()
  WHERE b.user_id = NEW.user_id;

  RETURN NEW;
END
$$;

REVOKE EXECUTE ON FUNCTION public.apply_refund_to_balance() FROM PUBLIC, anon, authenticated;

CREATE TRIGGER apply_refund_to_balance
  BEFORE INSERT ON public.balance_transactions
  FOR EACH ROW WHEN (NEW.type = 'refund')
  EXECUTE FUNCTION public.apply_refund_to_balance();

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

  -- mutated: the trigger changes the balance and fills in what the row says of it
  INSERT INTO public.balance_transactions
    (user_id, type, amount, description, balance_before, balance_after, metadata)
  VALUES
    (p_user_id, 'refund', p_amount, p_reason, v_before, v_before + p_amount, p_metadata)
  RETURNING balance_before, balance_after INTO v_before, v_after;

  RETURN jsonb_build_object('success', true, 'amount', p_amount, 'old_balance', v_before, 'new_balance', v_after);
END
$$;
