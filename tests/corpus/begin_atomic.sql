-- about: an SQL-standard body (BEGIN ATOMIC) that pays by what the job says and then marks the job
-- T0  a: UPDATE accounts …, UPDATE jobs; not yet committed
-- T1  b: UPDATE accounts …: the job is processing, waits for a's account row
-- T2  a: COMMIT
-- T3  b: its sub-select was read before the wait: pays again
-- verdict: serial_equivalence
-- needs: commit_point
-- setup: INSERT INTO accounts VALUES ('alice', 4000)
-- setup: INSERT INTO jobs VALUES ('j1', 'alice', 'processing', 1000)
-- call: SELECT refund('j1')
-- call: SELECT refund('j1')

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, owner text NOT NULL, status text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text) RETURNS text LANGUAGE sql
BEGIN ATOMIC
  UPDATE accounts SET balance = balance + (SELECT amount FROM jobs WHERE id = p_job)
  WHERE id = (SELECT owner FROM jobs WHERE id = p_job AND status = 'processing');
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
  SELECT status FROM jobs WHERE id = p_job;
END;
