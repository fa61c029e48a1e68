-- Mutant: a worker claims a refund in a transaction of its own: when it dies, its claim stays, and every retry stands back for it.
-- Setting: refund_in_steps_struck
-- Trips: queue_drained
-- Plain: nothing is wrong as long as nobody is struck, and `check` strikes nobody.
--
-- | time | w1            | retry                | w2 | balance |
-- |------|---------------|----------------------|----|---------|
-- | T0   | claim, COMMIT |                      |    | 4000    |
-- | T1   | SIGKILL       |                      |    | 4000    |
-- | T2   |               | claimed: stands back |    | 4000    |

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
  INSERT INTO public.refund_steps (job_id, error) VALUES (p_job_id, p_error_message)
  ON CONFLICT (job_id) DO NOTHING;
  -- mutated: whoever holds the claim is thought to live
  IF NOT FOUND THEN
    p_answer := jsonb_build_object('success', false, 'refunded', false, 'job_id', p_job_id, 'error', 'In progress');
    RETURN;
  END IF;
  COMMIT;

  p_answer := public.refund_job_atomic(p_job_id, p_user_id, p_amount, p_error_message);
  COMMIT;
END
$$;
