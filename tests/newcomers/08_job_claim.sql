-- about: workers claim the next task of a queue, take it, and report the result by another function
-- expect: pass
-- why: the task is picked FOR UPDATE SKIP LOCKED, and a result is taken only from who holds the claim.

CREATE TYPE task_state AS ENUM ('waiting', 'claimed', 'finished');
CREATE TABLE tasks (
    task_id    bigserial PRIMARY KEY,
    state      task_state DEFAULT 'waiting' NOT NULL,
    payload    jsonb NOT NULL,
    claimed_by text,
    tries      integer DEFAULT 0 NOT NULL,
    result     jsonb,
    CHECK ((state = 'waiting') = (claimed_by IS NULL))
);

CREATE FUNCTION claim_task(worker text) RETURNS SETOF tasks LANGUAGE sql AS $$
    UPDATE tasks SET state = 'claimed', claimed_by = worker, tries = tries + 1
    WHERE task_id = (SELECT t.task_id FROM tasks t WHERE t.state = 'waiting' ORDER BY t.task_id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING *;
$$;

CREATE FUNCTION finish_task(id bigint, worker text, outcome jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tasks SET state = 'finished', result = outcome
    WHERE task_id = id AND state = 'claimed' AND claimed_by = worker;
    RETURN FOUND;
END $$;
