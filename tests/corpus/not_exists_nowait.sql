-- about: the job is locked NOWAIT and the refund looked for in one statement, whose snapshot is older than the lock
-- T0  b: SELECT … FOR UPDATE NOWAIT takes its snapshot, and is slow
-- T1  a: the whole refund, COMMIT
-- T2  b: the job is free, and was not changed, so nothing is looked at again: NOT EXISTS in the old snapshot, pays
-- verdict: serial_equivalence, paid_once
-- needs: overlap
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
  FOR UPDATE OF j NOWAIT;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO refunds VALUES (p_job, v_job.amount);
  UPDATE accounts SET balance = balance + v_job.amount WHERE id = v_job.owner;
  RETURN true;
END
$$;
