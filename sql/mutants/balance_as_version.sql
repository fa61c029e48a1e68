-- Mutant: the balance serves as the version of everything: when it is what it was, nothing can have happened. Two
--   changes that cancel each other have.
-- Setting: two_partial_refunds_and_charge
-- Trips: refund_matches_charge
--
-- | time | w1                                   | w2                  | w3                  | balance             |
-- |------|--------------------------------------|---------------------|---------------------|---------------------|
-- | T0   | balance → 4000; 0 refunded           |                     |                     | 4000                |
-- | T1   |                                      | refund +600, COMMIT |                     | 4600                |
-- | T2   |                                      |                     | charge -600, COMMIT | 4000                |
-- | T3   | UPDATE … WHERE balance = 4000: found |                     |                     | 4700                |
-- | T4   | refund row 700, COMMIT               |                     |                     | 4700, 1300 refunded |
--
-- No two of the three calls show it: after a single change the balance differs, and the loop begins again.

CREATE OR REPLACE FUNCTION public.refund_part_atomic(
  p_job_id  text,
  p_user_id uuid,
  p_amount  integer
) RETURNS jsonb
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_refusal  jsonb := jsonb_build_object('success', false, 'job_id', p_job_id);
  v_before   integer;
  v_charge   bigint;
  v_refunded bigint;
BEGIN
  LOOP
    SELECT b.balance INTO v_before
    FROM public.user_balances AS b
    WHERE b.user_id = p_user_id;

    IF NOT FOUND THEN
      RETURN v_refusal || jsonb_build_object('error', 'User not found');
    END IF;

    SELECT -sum(t.amount) FILTER (WHERE t.type = 'generation'),
           coalesce(sum(t.amount) FILTER (WHERE t.type = 'refund'), 0)
      INTO v_charge, v_refunded
    FROM public.balance_transactions AS t
    WHERE t.metadata ->> 'job_id' = p_job_id
      AND t.user_id = p_user_id;

    IF v_charge IS NULL OR p_amount IS NULL OR v_refunded + p_amount > v_charge THEN
      RETURN v_refusal || jsonb_build_object('error', 'More than is left of the charge');
    END IF;

    -- mutated: the same balance need not be an unchanged one
    UPDATE public.user_balances AS b
    SET balance = v_before + p_amount, updated_at = now()
    WHERE b.user_id = p_user_id AND b.balance = v_before;

    EXIT WHEN FOUND;
  END LOOP;

  INSERT INTO public.balance_transactions
    (user_id, type, amount, description, balance_before, balance_after, metadata)
  VALUES
    (p_user_id, 'refund', p_amount, 'Refund of a part', v_before, v_before + p_amount,
     jsonb_build_object('job_id', p_job_id));

  RETURN jsonb_build_object(
    'success', true, 'amount', p_amount, 'old_balance', v_before, 'new_balance', v_before + p_amount,
    'job_id', p_job_id
  );
END
$$;
