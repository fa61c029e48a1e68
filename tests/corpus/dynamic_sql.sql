-- about: check and payment are strings that EXECUTE runs
-- T0  a: EXECUTE 'SELECT status …' -> processing
-- T1  b: EXECUTE 'SELECT status …' -> processing
-- T2  a: EXECUTE 'UPDATE …', COMMIT; b: EXECUTE 'UPDATE …', COMMIT
-- verdict: serial_equivalence
-- needs: dynamic
-- setup: INSERT INTO accounts VALUES ('alice', 4000)
-- setup: INSERT INTO jobs_2024 VALUES ('j1', 'alice', 'processing', 1000)
-- call: SELECT refund('jobs_2024', 'j1')
-- call: SELECT refund('jobs_2024', 'j1')

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs_2024 (id text PRIMARY KEY, owner text NOT NULL, status text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_table text, p_job text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_job record;
BEGIN
  EXECUTE format('SELECT owner, status, amount FROM %I WHERE id = $1', p_table) INTO v_job USING p_job;
  IF v_job.status = 'failed' THEN
    RETURN 'already refunded';
  END IF;
  EXECUTE 'UPDATE accounts SET balance = balance + $1 WHERE id = $2' USING v_job.amount, v_job.owner;
  EXECUTE format($q$UPDATE %I SET status = 'failed' WHERE id = %L$q$, p_table, p_job);
  RETURN 'refunded';
END
$$;
