-- about: the status is read through a view, and written through the root of a partitioned table
-- T0  a: SELECT … FROM open_jobs -> j1
-- T1  b: SELECT … FROM open_jobs -> j1
-- T2  a: pays, UPDATE jobs, COMMIT; b: pays, UPDATE jobs, COMMIT
-- verdict: serial_equivalence
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- setup: INSERT INTO jobs VALUES ('j1', 2024, 'alice', 'processing', 100)
-- call: SELECT refund('j1')
-- call: SELECT refund('j1')

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (
  id text NOT NULL, year integer NOT NULL, owner text NOT NULL, status text NOT NULL, amount integer NOT NULL
) PARTITION BY RANGE (year);
CREATE TABLE jobs_2024 PARTITION OF jobs FOR VALUES FROM (2024) TO (2025);
CREATE TABLE jobs_later PARTITION OF jobs DEFAULT;
CREATE VIEW open_jobs AS SELECT id, owner, amount FROM jobs_2024 WHERE status = 'processing';

CREATE FUNCTION refund(p_job text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_job open_jobs;
BEGIN
  SELECT * INTO v_job FROM open_jobs WHERE id = p_job;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE accounts SET balance = balance + v_job.amount WHERE id = v_job.owner;
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
  RETURN true;
END
$$;
