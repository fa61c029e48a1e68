-- Mutant: the procedure commits the mark before it pays: struck in between, the job is failed and unpaid, and the retry skips.
-- Setting: refund_in_steps_struck
-- Trips: failed_means_refunded
-- Plain: nothing is wrong as long as nobody is struck, and `check` strikes nobody.
--
-- | time | w1                      | retry         | w2 | balance |
-- |------|-------------------------|---------------|----|---------|
-- | T0   | status = failed, COMMIT |               |    | 4000    |
-- | T1   | SIGKILL                 |               |    | 4000    |
-- | T2   |                         | failed: skips |    | 4000    |

CREATE OR REPLACE PROCEDURE public.refund_in_steps(
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
  COMMIT; -- mutated: what says that it was paid is there before it is paid

  p_answer := public.refund_balance_atomic(
    p_user_id, p_amount, 'Refund of a failed job', jsonb_build_object('job_id', p_job_id)
  );
  COMMIT;
END
$$;
