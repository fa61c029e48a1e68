-- Mutant: the sweeper lists the stuck jobs, then fails and refunds each of them, also one that was completed after it
--   was listed.
-- Setting: sweep_and_complete
-- Trips: status_forward
--
-- | time | w1                                    | w2                         | job                     |
-- |------|---------------------------------------|----------------------------|-------------------------|
-- | T0   | list stuck jobs → j1                  |                            | processing              |
-- | T1   |                                       | status = completed, COMMIT | completed               |
-- | T2   | refund +1000, status = failed, COMMIT |                            | failed, story and money |

CREATE OR REPLACE FUNCTION public.fail_stuck_jobs(p_user_id uuid) RETURNS jsonb
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_job    record;
  v_failed integer := 0;
BEGIN
  FOR v_job IN
    SELECT j.job_id, -t.amount AS charge
    FROM public.story_jobs AS j
    JOIN public.balance_transactions AS t ON t.metadata ->> 'job_id' = j.job_id AND t.type = 'generation'
    WHERE j.user_id = p_user_id AND j.status = 'processing'
    ORDER BY j.job_id
  LOOP
    PERFORM public.refund_balance_atomic(
      p_user_id, v_job.charge, 'Job timed out', jsonb_build_object('job_id', v_job.job_id)
    );

    -- mutated: whatever its status is by now
    UPDATE public.story_jobs AS j
    SET status = 'failed', error = 'job timed out', completed_at = now()
    WHERE j.job_id = v_job.job_id;

    v_failed := v_failed + 1;
  END LOOP;

  RETURN jsonb_build_object('success', true, 'failed', v_failed);
END
$$;
