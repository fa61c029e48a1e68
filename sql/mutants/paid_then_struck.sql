-- Mutant: the procedure commits the payment before the mark: struck in between, the job is paid and open, and the retry pays again.
-- Setting: refund_in_steps_struck
-- Trips: one_refund_per_job
-- Plain: nothing is wrong as long as nobody is struck, and `check` strikes nobody.
--
-- | time | w1                   | retry                    | w2 | balance |
-- |------|----------------------|--------------------------|----|---------|
-- | T0   | refund +1000, COMMIT |                          |    | 5000    |
-- | T1   | SIGKILL              |                          |    | 5000    |
-- | T2   |                      | not failed: refund +1000 |    | 6000    |

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
  PERFORM FROM public.story_jobs AS j
  WHERE j.job_id = p_job_id AND j.user_id = p_user_id AND j.status IN ('pending', 'processing');
  IF NOT FOUND THEN
    p_answer := jsonb_build_object('success', false, 'refunded', false, 'job_id', p_job_id, 'error', 'Job not open');
    RETURN;
  END IF;
  p_answer := public.refund_balance_atomic(
    p_user_id, p_amount, 'Refund of a failed job', jsonb_build_object('job_id', p_job_id)
  );
  COMMIT; -- mutated: paid, and nothing says so yet

  UPDATE public.story_jobs AS j
  SET status = 'failed', error = p_error_message, completed_at = now()
  WHERE j.job_id = p_job_id;
  COMMIT;
END
$$;
