-- about: a transaction-level advisory lock of the job stands before everything else
-- safe: the second worker waits in a statement of its own; its next statement's snapshot sees what the first committed
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- call: SELECT refund('j1', 'alice', 100)
-- call: SELECT refund('j1', 'alice', 100)
-- invariant paid_once: SELECT job FROM refunds GROUP BY job HAVING count(*) > 1

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE refunds (job text NOT NULL, account text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('refund'), hashtext(p_job));
  IF EXISTS (SELECT 1 FROM refunds WHERE job = p_job) THEN
    RETURN false;
  END IF;
  INSERT INTO refunds VALUES (p_job, p_account, p_amount);
  UPDATE accounts SET balance = balance + p_amount WHERE id = p_account;
  RETURN true;
END
$$;
