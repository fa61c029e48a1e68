-- Refunds a user's jobs that were marked as failed and not refunded, as old workers and outages leave them. It counts
-- on failed jobs having their refund by the time that others can see them.

CREATE OR REPLACE FUNCTION public.repair_failed_jobs(p_user_id uuid) RETURNS jsonb
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_job      record;
  v_repaired integer := 0;
BEGIN
  FOR v_job IN
    SELECT j.job_id
    FROM public.story_jobs AS j
    WHERE j.user_id = p_user_id
      AND j.status = 'failed'
      AND NOT EXISTS (
        SELECT 1
        FROM public.balance_transactions AS t
        WHERE t.metadata ->> 'job_id' = j.job_id AND t.type = 'refund'
      )
    ORDER BY j.job_id
    FOR UPDATE
  LOOP
    PERFORM public.refund_balance_atomic(
      p_user_id, -t.amount, 'Refund found missing', jsonb_build_object('job_id', v_job.job_id)
    )
    FROM public.balance_transactions AS t
    WHERE t.metadata ->> 'job_id' = v_job.job_id AND t.type = 'generation';

    v_repaired := v_repaired + 1;
  END LOOP;

  RETURN jsonb_build_object('success', true, 'repaired', v_repaired);
END
$$;

REVOKE EXECUTE ON FUNCTION public.repair_failed_jobs(uuid) FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.repair_failed_jobs(uuid) TO service_role;
