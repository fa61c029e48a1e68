-- about: a job queue's reaper moves jobs that failed too often to a table of the dead, while their worker finishes after all
-- call: SELECT queue_reap(3)
-- call: SELECT queue_finish(17, 'invoice.pdf')
-- invariant dead_or_done: SELECT d.job_id FROM queue_dead d JOIN queue_results r USING (job_id)
-- expect: violation serial_equivalence
-- why: the job may be finished between the reaper's copy and its delete, which then no longer matches: it is dead and done at once.

CREATE TABLE queue (job_id int PRIMARY KEY, payload text, status text NOT NULL DEFAULT 'queued', attempts int NOT NULL DEFAULT 0);
CREATE TABLE queue_dead (LIKE queue);
CREATE TABLE queue_results (job_id int PRIMARY KEY, result text);

INSERT INTO queue VALUES (17, 'make invoice', 'running', 3), (18, 'send mail', 'queued', 0), (19, 'resize', 'running', 1);

CREATE FUNCTION queue_reap(max_attempts int) RETURNS bigint AS $$
  INSERT INTO queue_dead SELECT * FROM queue WHERE status = 'running' AND attempts >= max_attempts;
  DELETE FROM queue WHERE status = 'running' AND attempts >= max_attempts;
  SELECT count(*) FROM queue_dead;
$$ LANGUAGE SQL;

CREATE FUNCTION queue_finish(id int, res text) RETURNS bool AS $$
BEGIN
  UPDATE queue SET status = 'done' WHERE job_id = id AND status = 'running';
  IF FOUND THEN
    INSERT INTO queue_results VALUES (id, res);
  END IF;
  RETURN FOUND;
END
$$ LANGUAGE plpgsql;
