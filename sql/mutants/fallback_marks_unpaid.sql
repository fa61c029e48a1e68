-- Mutant: the fallback closes every job, also one whose refund was cancelled: every later retry finds it failed, and skips.
-- Setting: refund_then_close_struck
-- Trips: failed_means_refunded
-- Plain: nothing is wrong as long as nobody is struck, and `check` strikes nobody.
--
-- | time | w1                             | retry         | w2 | balance |
-- |------|--------------------------------|---------------|----|---------|
-- | T0   | refund: cancelled, 57014       |               |    | 4000    |
-- | T1   | close: status = failed, COMMIT |               |    | 4000    |
-- | T2   |                                | failed: skips |    | 4000    |

CREATE OR REPLACE FUNCTION public.close_job(p_job_id text, p_error_message text) RETURNS jsonb
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE public.story_jobs AS j
  -- mutated: whether it was refunded is not asked
  SET status = 'failed', error = p_error_message, completed_at = now()
  WHERE j.job_id = p_job_id AND j.status IN ('pending', 'processing');

  RETURN jsonb_build_object('success', FOUND);
END
$$;
