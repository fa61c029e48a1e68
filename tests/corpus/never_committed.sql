-- about: a worker opens a transaction and forgets COMMIT: nothing is paid, and its locks stay
-- T0  a: BEGIN, SELECT refund('j1')
-- T1  a: ends without COMMIT, idle in transaction
-- verdict: serially: liveness
-- setup: INSERT INTO jobs VALUES ('j1', 'processing'), ('j2', 'processing')
-- call: BEGIN; SELECT refund('j1')
-- call: BEGIN; SELECT refund('j2'); COMMIT

CREATE TABLE jobs (id text PRIMARY KEY, status text NOT NULL);

CREATE FUNCTION refund(p_job text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE jobs SET status = 'failed' WHERE id = p_job AND status = 'processing';
  RETURN FOUND;
END
$$;
