-- Mutant: the fallback pays by itself whatever is not closed yet, by a function that knows nothing of jobs: the retry pays again.
-- Setting: refund_then_close_struck
-- Trips: one_refund_per_job
-- Plain: nothing is wrong as long as nobody is struck, and `check` strikes nobody.
--
-- | time | w1                          | retry                    | w2 | balance |
-- |------|-----------------------------|--------------------------|----|---------|
-- | T0   | refund: cancelled, 57014    |                          |    | 4000    |
-- | T1   | close: refund +1000, COMMIT |                          |    | 5000    |
-- | T2   |                             | not failed: refund +1000 |    | 6000    |

CREATE OR REPLACE FUNCTION public.close_job(p_job_id text, p_error_message text) RETURNS jsonb
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- mutated: the money is given back, and the job stays as it is
  PERFORM public.refund_balance_atomic(
    j.user_id, -t.amount, 'Refund of a failed job', jsonb_build_object('job_id', p_job_id)
  )
  FROM public.story_jobs AS j
  JOIN public.balance_transactions AS t ON t.type = 'generation' AND t.metadata ->> 'job_id' = j.job_id
  WHERE j.job_id = p_job_id AND j.status IN ('pending', 'processing');

  RETURN jsonb_build_object('success', FOUND);
END
$$;
