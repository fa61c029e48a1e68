-- Mutant: the bulk refund locks each job as its turn comes: after the first one it holds the balance, for which a
--   worker waits with the second job.
-- Setting: bulk_refund_and_refund
-- Trips: deadlock
--
-- | time | w1                                       | w2                                    | balance |
-- |------|------------------------------------------|---------------------------------------|---------|
-- | T0   | lock j1, refund j1 +1000: balance locked |                                       | 3300    |
-- | T1   |                                          | lock j2                               | 3300    |
-- | T2   |                                          | refund j2: lock the balance (BLOCKED) | 3300    |
-- | T3   | lock j2: deadlock, ROLLBACK              | balance granted                       | 3300    |

CREATE OR REPLACE FUNCTION public.refund_open_jobs(
  p_user_id       uuid,
  p_error_message text
) RETURNS jsonb
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_job      record;
  v_refunded integer := 0;
BEGIN
  -- mutated: not all jobs are locked before the first refund locks the balance
  FOR v_job IN
    SELECT j.job_id, -t.amount AS charge
    FROM public.story_jobs AS j
    JOIN public.balance_transactions AS t ON t.metadata ->> 'job_id' = j.job_id AND t.type = 'generation'
    WHERE j.user_id = p_user_id AND j.status = 'processing'
    ORDER BY j.job_id
  LOOP
    IF (public.refund_job_atomic(v_job.job_id, p_user_id, v_job.charge, p_error_message) ->> 'refunded')::boolean THEN
      v_refunded := v_refunded + 1;
    END IF;
  END LOOP;

  RETURN jsonb_build_object('success', true, 'refunded', v_refunded);
END
$$;
