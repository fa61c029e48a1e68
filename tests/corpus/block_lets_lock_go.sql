-- about: the lock is taken in a block that fails and is caught: the rollback of the block lets go of the lock
-- T0  a: SELECT … FOR UPDATE in the block -> processing; INSERT fails, caught: the lock is gone, v_open stays true
-- T1  b: the same
-- T2  a: pays, marks, COMMIT; b: pays, marks, COMMIT
-- verdict: serial_equivalence
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- setup: INSERT INTO jobs VALUES ('j1', 'processing')
-- call: SELECT refund('j1', 'alice', 100)
-- call: SELECT refund('j1', 'alice', 100)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, status text NOT NULL);
CREATE TABLE audit (job text NOT NULL, note text NOT NULL CHECK (length(note) > 3));

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_open boolean := false;
BEGIN
  BEGIN
    SELECT status = 'processing' INTO v_open FROM jobs WHERE id = p_job FOR UPDATE;
    INSERT INTO audit VALUES (p_job, 'try');
  EXCEPTION WHEN check_violation THEN
    RAISE NOTICE 'no audit: %', SQLERRM;
  END;
  IF NOT v_open THEN
    RETURN false;
  END IF;
  UPDATE accounts SET balance = balance + p_amount WHERE id = p_account;
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
  RETURN true;
END
$$;
