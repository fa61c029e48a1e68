-- about: the job is locked and the refund looked for in one statement: who waits for the lock has looked before
-- T0  a: SELECT … NOT EXISTS … FOR UPDATE -> the job
-- T1  b: the same: NOT EXISTS is true, waits for the job
-- T2  a: INSERT INTO refunds, pays, COMMIT; the job itself is not changed
-- T3  b: has the lock; an unchanged row is not looked at again: pays again
-- verdict: serial_equivalence, paid_once
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- setup: INSERT INTO jobs VALUES ('j1', 'alice', 100)
-- call: SELECT refund('j1')
-- call: SELECT refund('j1')
-- invariant paid_once: SELECT job FROM refunds GROUP BY job HAVING count(*) > 1

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, owner text NOT NULL, amount integer NOT NULL);
CREATE TABLE refunds (job text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_job jobs;
BEGIN
  SELECT j.* INTO v_job FROM jobs j
  WHERE j.id = p_job AND NOT EXISTS (SELECT FROM refunds r WHERE r.job = j.id)
  FOR UPDATE OF j;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO refunds VALUES (p_job, v_job.amount);
  UPDATE accounts SET balance = balance + v_job.amount WHERE id = v_job.owner;
  RETURN true;
END
$$;
