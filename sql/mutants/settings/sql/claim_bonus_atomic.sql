-- Campaigns that give bonuses until their budget is spent. What is left of it stands in the campaign's row, and whoever
-- takes some of it changes that row.

CREATE TABLE public.bonus_campaigns (
  name   text PRIMARY KEY,
  budget integer NOT NULL
         CONSTRAINT bonus_campaigns_budget_check CHECK (budget >= 0)
);

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
  UPDATE public.bonus_campaigns AS c
  SET budget = c.budget - p_amount
  WHERE c.name = p_campaign AND c.budget >= p_amount;

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

REVOKE EXECUTE ON FUNCTION public.claim_bonus_atomic(uuid, text, integer) FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.claim_bonus_atomic(uuid, text, integer) TO service_role;
