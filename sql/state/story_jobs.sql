-- The jobs of one execution. Variables: users, jobs.
SELECT job_id, user_id, status, payload, story_id, result, error, created_at, started_at, completed_at
FROM public.story_jobs
WHERE job_id = ANY (:'jobs'::text[]) OR user_id = ANY (:'users'::uuid[])
ORDER BY job_id COLLATE "C";
