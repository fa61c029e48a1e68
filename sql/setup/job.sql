-- Makes a job that nobody was charged for. Variables: job, user, status.
INSERT INTO public.story_jobs (job_id, user_id, status, started_at, completed_at)
VALUES (
  :'job',
  :'user',
  :'status',
  CASE WHEN :'status' <> 'pending' THEN now() END,
  CASE WHEN :'status' IN ('completed', 'failed') THEN now() END
);
