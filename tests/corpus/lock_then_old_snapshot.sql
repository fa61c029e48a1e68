-- about: at REPEATABLE READ an advisory lock does not help: the snapshot was taken before the wait
-- T0  a: locks the key
-- T1  b: takes its snapshot, waits for the key
-- T2  a: looks -> no refund, INSERT, COMMIT
-- T3  b: has the key, looks in its snapshot -> no refund, INSERT, COMMIT
-- verdict: serial_equivalence, paid_once
-- needs: repeatable_read
-- call: BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT refund('j1', 100); COMMIT
-- call: BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT refund('j1', 100); COMMIT
-- invariant paid_once: SELECT job FROM refunds GROUP BY job HAVING count(*) > 1

CREATE TABLE refunds (job text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext(p_job));
  IF EXISTS (SELECT FROM refunds WHERE job = p_job) THEN
    RETURN false;
  END IF;
  INSERT INTO refunds VALUES (p_job, p_amount);
  RETURN true;
END
$$;
