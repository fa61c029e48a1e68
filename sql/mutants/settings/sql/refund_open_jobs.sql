-- Refunds all open jobs of a user. All job rows are locked before the first refund locks the balance, so that the order
-- of locks stays job, then balance.

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
  PERFORM 1
  FROM public.story_jobs AS j
  WHERE j.user_id = p_user_id AND j.status = 'processing'
  ORDER BY j.job_id
  FOR UPDATE;

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

REVOKE EXECUTE ON FUNCTION public.refund_open_jobs(uuid, text) FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.refund_open_jobs(uuid, text) TO service_role;
