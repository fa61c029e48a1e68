-- about: two workers read the status before either has written it, and both pay
-- T0  a: SELECT status -> processing
-- T1  b: SELECT status -> processing
-- T2  a: UPDATE accounts +1000, UPDATE jobs failed, COMMIT
-- T3  b: UPDATE accounts +1000, UPDATE jobs failed, COMMIT: 6000 instead of 5000
-- verdict: serial_equivalence, paid_once
-- setup: INSERT INTO accounts VALUES ('alice', 4000)
-- setup: INSERT INTO jobs VALUES ('j1', 'alice', 'processing', 1000)
-- call: SELECT refund('j1')
-- call: SELECT refund('j1')
-- invariant paid_once: SELECT job FROM refunds GROUP BY job HAVING count(*) > 1

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, owner text NOT NULL, status text NOT NULL, amount integer NOT NULL);
CREATE TABLE refunds (job text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_status text;
  v_owner text;
  v_amount integer;
BEGIN
  SELECT status, owner, amount INTO v_status, v_owner, v_amount FROM jobs WHERE id = p_job;
  IF NOT FOUND THEN
    RETURN 'no such job';
  END IF;
  IF v_status = 'failed' THEN
    RETURN 'already refunded';
  END IF;
  UPDATE accounts SET balance = balance + v_amount WHERE id = v_owner;
  INSERT INTO refunds VALUES (p_job, v_amount);
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
  RETURN 'refunded';
END
$$;
