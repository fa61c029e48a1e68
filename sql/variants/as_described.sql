-- refund_job_atomic in exactly the order of the migration guide, with what the guide leaves out left out.
--
-- | time | worker 1 (declared stalled, alive)  | worker 2 (retry of the queue)              | job        |
-- |------|-------------------------------------|--------------------------------------------|------------|
-- | T0   | job starts (5000 → 4000)            |                                            | processing |
-- | T1   |                                     | generation fails                           |            |
-- | T2   | complete_job_atomic: stored         |                                            | completed  |
-- | T3   |                                     | refund_job_atomic: SELECT … FOR UPDATE     |            |
-- | T4   |                                     | not `failed`: refund +1000 (4000 → 5000)   |            |
-- | T5   |                                     | UPDATE status = failed                     | failed     |
--
-- The user has the story and the money. Further holes:
-- - `completed` is not terminal;
-- - p_user_id is not compared with the job's user: the refund goes to whoever is named;
-- - p_amount is not compared with the charge;
-- - a GRANT without a REVOKE: PUBLIC, anon and authenticated keep EXECUTE.
--
-- Two workers that both report the failure are still refunded only once.
--
-- Red in the fault matrix: no cell. A worker that is struck alone and retried is refunded once.

-- CREATE OR REPLACE would keep the privileges of a better version; only CREATE applies the default ones.
DROP FUNCTION IF EXISTS public.refund_job_atomic(text, uuid, integer, text);

CREATE FUNCTION public.refund_job_atomic(
  p_job_id        text,
  p_user_id       uuid,
  p_amount        integer,
  p_error_message text
) RETURNS jsonb
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_status text;
  v_refund jsonb;
BEGIN
  SELECT j.status INTO v_status
  FROM public.story_jobs AS j
  WHERE j.job_id = p_job_id
  FOR UPDATE;

  IF NOT FOUND THEN
    RETURN jsonb_build_object('success', false, 'refunded', false, 'job_id', p_job_id, 'error', 'Job not found');
  END IF;
  IF v_status = 'failed' THEN
    RETURN jsonb_build_object(
      'success', false, 'refunded', false, 'job_id', p_job_id, 'error', 'Job already failed and refunded'
    );
  END IF;

  SELECT public.refund_balance_atomic(
    p_user_id, p_amount, 'Refund of a failed job', jsonb_build_object('job_id', p_job_id)
  ) INTO v_refund;

  IF (v_refund ->> 'success')::boolean IS NOT TRUE THEN
    RETURN jsonb_build_object(
      'success', false, 'refunded', false, 'job_id', p_job_id, 'error', v_refund ->> 'error'
    );
  END IF;

  UPDATE public.story_jobs AS j
  SET status = 'failed', error = p_error_message, completed_at = now()
  WHERE j.job_id = p_job_id;

  RETURN jsonb_build_object(
    'success', true, 'refunded', true, 'job_id', p_job_id,
    'amount', p_amount, 'new_balance', v_refund -> 'new_balance'
  );
END
$$;

GRANT EXECUTE ON FUNCTION public.refund_job_atomic(text, uuid, integer, text) TO service_role;
