-- Mutant: support's function asks the ledger for a refund and then pays, while workers queue at the job's row, which
--   it does not lock.
-- Setting: refund_and_support_refund
-- Trips: one_refund_per_job
--
-- | time | w1                                    | w2                                    | balance |
-- |------|---------------------------------------|---------------------------------------|---------|
-- | T0   |                                       | SELECT refund row → none              | 4000    |
-- | T1   | refund +1000, status = failed, COMMIT |                                       | 5000    |
-- | T2   |                                       | refund +1000, status = failed, COMMIT | 6000    |

CREATE OR REPLACE FUNCTION public.refund_by_support(p_job_id text) RETURNS jsonb
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_user_id uuid;
  v_charge  integer;
  v_refund  jsonb;
BEGIN
  SELECT t.user_id, -t.amount INTO v_user_id, v_charge
  FROM public.balance_transactions AS t
  WHERE t.metadata ->> 'job_id' = p_job_id AND t.type = 'generation';

  -- mutated: who asks the ledger and who locks the job do not meet
  IF EXISTS (
    SELECT 1
    FROM public.balance_transactions AS t
    WHERE t.metadata ->> 'job_id' = p_job_id AND t.type = 'refund'
  ) THEN
    RETURN jsonb_build_object('success', false, 'refunded', false, 'job_id', p_job_id, 'error', 'Already refunded');
  END IF;

  SELECT public.refund_balance_atomic(
    v_user_id, v_charge, 'Refunded by support', jsonb_build_object('job_id', p_job_id)
  ) INTO v_refund;

  UPDATE public.story_jobs AS j
  SET status = 'failed', error = 'Refunded by support', completed_at = now()
  WHERE j.job_id = p_job_id;

  RETURN v_refund || jsonb_build_object('refunded', v_refund -> 'success', 'job_id', p_job_id);
END
$$;
