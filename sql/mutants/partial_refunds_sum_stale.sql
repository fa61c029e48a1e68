-- Mutant: the sum of the parts is a subquery of the statement that locks the job, and so as old as the start of the
--   wait.
-- Setting: two_partial_refunds
-- Trips: refund_matches_charge
--
-- | time | w1                               | w2                                     | balance            |
-- |------|----------------------------------|----------------------------------------|--------------------|
-- | T0   | SELECT … FOR UPDATE → 0 refunded |                                        | 4000               |
-- | T1   |                                  | SELECT … FOR UPDATE: snapshot, BLOCKED | 4000               |
-- | T2   | refund +600, COMMIT              | lock granted → 0 refunded              | 4600               |
-- | T3   |                                  | refund +700, COMMIT                    | 5300, charged 1000 |

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
  v_job_user uuid;
  v_charge   bigint;
  v_refunded bigint;
  v_refund   jsonb;
BEGIN
  -- mutated: one statement less, and the sums under a snapshot from before the lock
  SELECT j.user_id,
         (SELECT -sum(t.amount)
          FROM public.balance_transactions AS t
          WHERE t.metadata ->> 'job_id' = j.job_id AND t.user_id = p_user_id AND t.type = 'generation'),
         (SELECT coalesce(sum(t.amount), 0)
          FROM public.balance_transactions AS t
          WHERE t.metadata ->> 'job_id' = j.job_id AND t.user_id = p_user_id AND t.type = 'refund')
    INTO v_job_user, v_charge, v_refunded
  FROM public.story_jobs AS j
  WHERE j.job_id = p_job_id
  FOR UPDATE;

  IF v_job_user IS DISTINCT FROM p_user_id THEN
    RETURN v_refusal || jsonb_build_object('error', 'No such job of this user');
  END IF;

  IF v_charge IS NULL OR p_amount IS NULL OR v_refunded + p_amount > v_charge THEN
    RETURN v_refusal || jsonb_build_object('error', 'More than is left of the charge');
  END IF;

  SELECT public.refund_balance_atomic(
    p_user_id, p_amount, 'Refund of a part', jsonb_build_object('job_id', p_job_id)
  ) INTO v_refund;

  RETURN v_refund || jsonb_build_object('job_id', p_job_id);
END
$$;
