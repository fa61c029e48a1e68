-- Fails and refunds the jobs of a user that are stuck. refund_job_atomic decides about each of them anew.

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
    IF (public.refund_job_atomic(v_job.job_id, p_user_id, v_job.charge, 'job timed out') ->> 'refunded')::boolean THEN
      v_failed := v_failed + 1;
    END IF;
  END LOOP;

  RETURN jsonb_build_object('success', true, 'failed', v_failed);
END
$$;

REVOKE EXECUTE ON FUNCTION public.fail_stuck_jobs(uuid) FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.fail_stuck_jobs(uuid) TO service_role;
