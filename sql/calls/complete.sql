-- Completes a job. Variables: job, user, story.
-- name: complete
SELECT complete_job_atomic(:'job', :'user', :'story', jsonb_build_object('story_id', :'story'::text)) AS answer;
