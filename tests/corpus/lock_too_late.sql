-- about: the job is locked, but after its status was read, and the status is not read again
-- T0  a: SELECT status -> processing
-- T1  b: SELECT status -> processing
-- T2  a: SELECT … FOR UPDATE, pay, COMMIT
-- T3  b: SELECT … FOR UPDATE (had to wait), pays again
-- verdict: serial_equivalence
-- setup: INSERT INTO accounts VALUES ('alice', 4000)
-- setup: INSERT INTO jobs VALUES ('j1', 'alice', 'processing', 1000)
-- call: SELECT refund('j1')
-- call: SELECT refund('j1')

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, owner text NOT NULL, status text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_status text;
  v_owner text;
  v_amount integer;
BEGIN
  SELECT status INTO v_status FROM jobs WHERE id = p_job;
  IF v_status IS DISTINCT FROM 'processing' THEN
    RETURN 'nothing to refund';
  END IF;
  -- From here on nobody else may touch the job.
  SELECT owner, amount INTO STRICT v_owner, v_amount FROM jobs WHERE id = p_job FOR UPDATE;
  UPDATE accounts SET balance = balance + v_amount WHERE id = v_owner;
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
  RETURN 'refunded';
END
$$;
