-- Mutant: the bulk refund loops over the jobs as they were when the loop began, and refunds one that a worker has
--   refunded since.
-- Setting: bulk_refund_and_refund
-- Trips: one_refund_per_job
--
-- | time | w1                               | w2                                      | balance              |
-- |------|----------------------------------|-----------------------------------------|----------------------|
-- | T0   | FOR … IN SELECT → j1, j2         |                                         | 3300                 |
-- | T1   |                                  | refund j2 +700, status = failed, COMMIT | 4000                 |
-- | T2   | refund j1 +1000, j2 +700, COMMIT |                                         | 5700, should be 5000 |
--
-- With the locks in this order, balance before job, the two calls can deadlock as well.

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
  FOR v_job IN
    SELECT j.job_id, -t.amount AS charge
    FROM public.story_jobs AS j
    JOIN public.balance_transactions AS t ON t.metadata ->> 'job_id' = j.job_id AND t.type = 'generation'
    WHERE j.user_id = p_user_id AND j.status = 'processing'
    ORDER BY j.job_id
  LOOP
    -- mutated: the loop's rows are older than the refund, and not locked
    PERFORM public.refund_balance_atomic(
      p_user_id, v_job.charge, 'Refund of an open job', jsonb_build_object('job_id', v_job.job_id)
    );

    UPDATE public.story_jobs AS j
    SET status = 'failed', error = p_error_message, completed_at = now()
    WHERE j.job_id = v_job.job_id;

    v_refunded := v_refunded + 1;
  END LOOP;

  RETURN jsonb_build_object('success', true, 'refunded', v_refunded);
END
$$;
