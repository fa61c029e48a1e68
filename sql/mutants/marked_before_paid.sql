-- Mutant: the procedure commits the mark before it pays, and the repair finds a failed job without a refund in
--   between.
-- Setting: refund_procedure_and_repair
-- Trips: one_refund_per_job
--
-- | time | w1                      | w2                                      | balance |
-- |------|-------------------------|-----------------------------------------|---------|
-- | T0   | status = failed, COMMIT |                                         | 4000    |
-- | T1   |                         | failed, no refund: refund +1000, COMMIT | 5000    |
-- | T2   | refund +1000, COMMIT    |                                         | 6000    |

CREATE OR REPLACE PROCEDURE public.refund_failed_job(
  p_job_id        text,
  p_user_id       uuid,
  p_amount        integer,
  p_error_message text,
  INOUT p_answer  jsonb DEFAULT NULL
)
LANGUAGE plpgsql
AS $$
BEGIN
  UPDATE public.story_jobs AS j
  SET status = 'failed', error = p_error_message, completed_at = now()
  WHERE j.job_id = p_job_id AND j.user_id = p_user_id AND j.status IN ('pending', 'processing');

  IF NOT FOUND THEN
    p_answer := jsonb_build_object('success', false, 'refunded', false, 'job_id', p_job_id, 'error', 'Job not open');
    RETURN;
  END IF;

  -- mutated: from here on everybody sees a job that failed and was not refunded
  COMMIT;

  p_answer := public.refund_balance_atomic(
    p_user_id, p_amount, 'Refund of a failed job', jsonb_build_object('job_id', p_job_id)
  );
  COMMIT;
END
$$;
