-- about: a procedure looks at the job, commits to let go of its lock, and pays in the next transaction
-- T0  a: SELECT status FOR UPDATE -> processing, COMMIT inside the procedure
-- T1  b: SELECT status FOR UPDATE -> processing, COMMIT
-- T2  a: pays, marks; b: pays, marks
-- verdict: serial_equivalence
-- needs: procedure
-- setup: INSERT INTO accounts VALUES ('alice', 4000)
-- setup: INSERT INTO jobs VALUES ('j1', 'processing')
-- call: CALL refund('j1', 'alice', 1000)
-- call: CALL refund('j1', 'alice', 1000)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, status text NOT NULL);

CREATE PROCEDURE refund(p_job text, p_account text, p_amount integer) LANGUAGE plpgsql AS $$
DECLARE
  v_status text;
BEGIN
  SELECT status INTO v_status FROM jobs WHERE id = p_job FOR UPDATE;
  COMMIT;
  IF v_status = 'processing' THEN
    UPDATE accounts SET balance = balance + p_amount WHERE id = p_account;
    UPDATE jobs SET status = 'failed' WHERE id = p_job;
    COMMIT;
  END IF;
END
$$;
