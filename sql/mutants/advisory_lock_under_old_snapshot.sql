-- Mutant: an advisory lock makes claims queue, but a REPEATABLE READ transaction took its snapshot before the wait for
--   the lock.
-- Setting: two_bonuses_one_campaign_rr
-- Trips: serial_equivalence
--
-- | time | w1                         | w2                                      | campaign     |
-- |------|----------------------------|-----------------------------------------|--------------|
-- | T0   | BEGIN                      |                                         | 1000 left    |
-- | T1   |                            | BEGIN                                   | 1000 left    |
-- | T2   | advisory lock              |                                         | 1000 left    |
-- | T3   |                            | advisory lock (BLOCKED): snapshot taken | 1000 left    |
-- | T4   | 0 given, bonus 700, COMMIT | lock granted                            | 300 left     |
-- | T5   |                            | 0 given, bonus 700, COMMIT              | 400 too much |
--
-- Under READ COMMITTED the same function is right.

CREATE OR REPLACE FUNCTION public.claim_bonus_atomic(
  p_user_id  uuid,
  p_campaign text,
  p_amount   integer
) RETURNS jsonb
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_after integer;
BEGIN
  -- mutated: enough under READ COMMITTED, where the sum below has a snapshot of its own
  PERFORM pg_advisory_xact_lock(hashtext(p_campaign));

  PERFORM 1
  FROM public.bonus_campaigns AS c
  WHERE c.name = p_campaign
    AND c.budget >= p_amount + (
      SELECT coalesce(sum(t.amount), 0)
      FROM public.balance_transactions AS t
      WHERE t.type = 'bonus' AND t.metadata ->> 'campaign' = c.name
    );

  IF NOT FOUND THEN
    RETURN jsonb_build_object('success', false, 'error', 'Nothing left of this campaign');
  END IF;

  UPDATE public.user_balances AS b
  SET balance = b.balance + p_amount, updated_at = now()
  WHERE b.user_id = p_user_id
  RETURNING b.balance INTO STRICT v_after;

  INSERT INTO public.balance_transactions
    (user_id, type, amount, description, balance_before, balance_after, metadata)
  VALUES
    (p_user_id, 'bonus', p_amount, 'Bonus', v_after - p_amount, v_after, jsonb_build_object('campaign', p_campaign));

  RETURN jsonb_build_object('success', true, 'amount', p_amount, 'new_balance', v_after);
END
$$;
