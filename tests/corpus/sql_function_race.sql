-- about: an SQL-language function of three statements pays by what the job says and marks the job last
-- T0  a: UPDATE accounts … (SELECT amount FROM jobs WHERE status = 'processing'), INSERT INTO log
-- T1  b: UPDATE accounts … waits for a's row, its sub-select already read
-- T2  a: UPDATE jobs, COMMIT
-- T3  b: pays again
-- verdict: serial_equivalence
-- needs: sql_function
-- setup: INSERT INTO accounts VALUES ('alice', 4000)
-- setup: INSERT INTO jobs VALUES ('j1', 'alice', 'processing', 1000)
-- call: SELECT refund('j1')
-- call: SELECT refund('j1')

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, owner text NOT NULL, status text NOT NULL, amount integer NOT NULL);
CREATE TABLE log (job text NOT NULL);

CREATE FUNCTION refund(p_job text) RETURNS text LANGUAGE sql AS $$
  UPDATE accounts SET balance = balance + (SELECT amount FROM jobs WHERE id = p_job)
  WHERE id = (SELECT owner FROM jobs WHERE id = p_job AND status = 'processing');
  INSERT INTO log VALUES (p_job);
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
  SELECT 'refunded'
$$;
