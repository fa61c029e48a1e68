-- Mutant: the procedure commits the refund before it marks the job, which lets go of the lock in between.
-- Setting: two_refund_procedures
-- Trips: one_refund_per_job
--
-- | time | w1                               | w2                               | balance |
-- |------|----------------------------------|----------------------------------|---------|
-- | T0   | SELECT … FOR UPDATE → processing |                                  | 4000    |
-- | T1   | refund +1000                     |                                  | 4000    |
-- | T2   | COMMIT                           |                                  | 5000    |
-- | T3   |                                  | SELECT … FOR UPDATE → processing | 5000    |
-- | T4   |                                  | refund +1000, COMMIT             | 6000    |
-- | T5   |                                  | status = failed, COMMIT          | 6000    |
-- | T6   | status = failed, COMMIT          |                                  | 6000    |

CREATE OR REPLACE PROCEDURE public.refund_failed_job(
  p_job_id        text,
  p_user_id       uuid,
  p_amount        integer,
  p_error_message text,
  INOUT p_answer  jsonb DEFAULT NULL
)
LANGUAGE plpgsql
AS $$
DECLARE
  v_status text;
BEGIN
  SELECT j.status INTO v_status
  FROM public.story_jobs AS j
  WHERE j.job_id = p_job_id AND j.user_id = p_user_id
  FOR UPDATE;

  IF v_status IS DISTINCT FROM 'processing' THEN
    p_answer := jsonb_build_object('success', false, 'refunded', false, 'job_id', p_job_id);
    RETURN;
  END IF;

  p_answer := public.refund_balance_atomic(
    p_user_id, p_amount, 'Refund of a failed job', jsonb_build_object('job_id', p_job_id)
  );
  -- mutated: the money is safe from here on, and the job unlocked while it is still processing
  COMMIT;

  UPDATE public.story_jobs AS j
  SET status = 'failed', error = p_error_message, completed_at = now()
  WHERE j.job_id = p_job_id;
  COMMIT;
END
$$;
