-- Mutant: the next job is looked up and then taken, so two workers get the same one and another keeps waiting.
-- Setting: two_workers_claim_jobs
-- Trips: serial_equivalence
--
-- | time | w1                    | w2                    | j1                   |
-- |------|-----------------------|-----------------------|----------------------|
-- | T0   | SELECT next → j1      |                       | pending              |
-- | T1   |                       | SELECT next → j1      | pending              |
-- | T2   | j1 processing, COMMIT |                       | processing, worker 1 |
-- | T3   |                       | j1 processing, COMMIT | processing, worker 2 |

CREATE OR REPLACE FUNCTION public.claim_next_job(p_worker text) RETURNS text
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_job_id text;
BEGIN
  SELECT j.job_id INTO v_job_id
  FROM public.story_jobs AS j
  WHERE j.status = 'pending'
  ORDER BY j.created_at, j.job_id
  -- mutated: not locked, and not asked again by the UPDATE
  LIMIT 1;

  UPDATE public.story_jobs AS j
  SET status = 'processing', started_at = now(), payload = j.payload || jsonb_build_object('worker', p_worker)
  WHERE j.job_id = v_job_id;

  RETURN v_job_id;
END
$$;
