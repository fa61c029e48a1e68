-- about: the advisory lock is taken by the statement that looks, whose snapshot is then older than the wait
-- T0  a: lock, look -> no refund
-- T1  b: takes its snapshot, waits for the lock
-- T2  a: INSERT INTO refunds, pays, COMMIT
-- T3  b: has the lock, looks in its old snapshot -> no refund: pays again
-- verdict: serial_equivalence, paid_once
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- call: SELECT refund('j1', 'alice', 100)
-- call: SELECT refund('j1', 'alice', 100)
-- invariant paid_once: SELECT job FROM refunds GROUP BY job HAVING count(*) > 1

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE refunds (job text NOT NULL, account text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_before bigint;
BEGIN
  SELECT (SELECT count(*) FROM refunds WHERE job = p_job) INTO v_before
  FROM pg_advisory_xact_lock(hashtext(p_job));
  IF v_before > 0 THEN
    RETURN false;
  END IF;
  INSERT INTO refunds VALUES (p_job, p_account, p_amount);
  UPDATE accounts SET balance = balance + p_amount WHERE id = p_account;
  RETURN true;
END
$$;
