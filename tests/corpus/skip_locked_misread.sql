-- about: a row that SKIP LOCKED leaves out is taken for a job that is not failed
-- T0  a: SELECT status … FOR UPDATE SKIP LOCKED -> processing
-- T1  b: SELECT status … FOR UPDATE SKIP LOCKED -> no row, v_status stays null
-- T2  b: null = 'failed' is not true: pays, then waits for the job
-- T3  a: pays, COMMIT; b: COMMIT
-- verdict: serial_equivalence
-- may: deadlock
-- setup: INSERT INTO accounts VALUES ('alice', 4000)
-- setup: INSERT INTO jobs VALUES ('j1', 'processing')
-- call: SELECT refund('j1', 'alice', 1000)
-- call: SELECT refund('j1', 'alice', 1000)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, status text NOT NULL);

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_status text;
BEGIN
  SELECT status INTO v_status FROM jobs WHERE id = p_job FOR UPDATE SKIP LOCKED;
  IF v_status = 'failed' THEN
    RETURN 'already refunded';
  END IF;
  UPDATE accounts SET balance = balance + p_amount WHERE id = p_account;
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
  RETURN 'refunded';
END
$$;
