-- Mutant: rewritten as one SQL statement: its parts share one snapshot, and the refund is paid before the job's row is
--   locked.
-- Setting: two_refunds
-- Trips: one_refund_per_job
--
-- | time | w1                                    | w2                                    | balance |
-- |------|---------------------------------------|---------------------------------------|---------|
-- | T0   | snapshot: processing                  |                                       | 4000    |
-- | T1   |                                       | snapshot: processing                  | 4000    |
-- | T2   |                                       | refund +1000, status = failed, COMMIT | 5000    |
-- | T3   | refund +1000, status = failed, COMMIT |                                       | 6000    |

CREATE OR REPLACE FUNCTION public.refund_job_atomic(
  p_job_id        text,
  p_user_id       uuid,
  p_amount        integer,
  p_error_message text
) RETURNS jsonb
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  WITH job AS (
    -- mutated: one statement, hence one snapshot, and nothing locks the row that it shows
    SELECT j.job_id
    FROM public.story_jobs AS j
    WHERE j.job_id = p_job_id AND j.user_id = p_user_id AND j.status = 'processing'
      AND p_amount = (
        SELECT -sum(t.amount)
        FROM public.balance_transactions AS t
        WHERE t.metadata ->> 'job_id' = j.job_id AND t.user_id = j.user_id AND t.type = 'generation'
      )
  ), paid AS MATERIALIZED (
    SELECT public.refund_balance_atomic(
      p_user_id, p_amount, 'Refund of a failed job', jsonb_build_object('job_id', job.job_id)
    ) AS answer
    FROM job
  ), marked AS (
    UPDATE public.story_jobs AS j
    SET status = 'failed', error = p_error_message, completed_at = now()
    FROM paid
    WHERE j.job_id = p_job_id AND (paid.answer ->> 'success')::boolean
    RETURNING paid.answer
  )
  SELECT coalesce(
    (SELECT jsonb_build_object(
       'success', true, 'refunded', true, 'job_id', p_job_id,
       'amount', p_amount, 'new_balance', marked.answer -> 'new_balance'
     )
     FROM marked),
    jsonb_build_object(
      'success', false, 'refunded', false, 'job_id', p_job_id, 'error', 'Job not found or no longer in progress'
    )
  )
$$;
