-- about: FOR UPDATE of the refund that is not there yet locks nothing
-- T0  a: SELECT … FROM refunds FOR UPDATE -> no row, no lock
-- T1  b: SELECT … FROM refunds FOR UPDATE -> no row, no lock
-- T2  a: INSERT INTO refunds, UPDATE accounts, COMMIT
-- T3  b: INSERT INTO refunds, UPDATE accounts, COMMIT
-- verdict: serial_equivalence, paid_once
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- call: SELECT refund('j1', 'alice', 500)
-- call: SELECT refund('j1', 'alice', 500)
-- invariant paid_once: SELECT job FROM refunds GROUP BY job HAVING count(*) > 1

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE refunds (job text NOT NULL, account text NOT NULL, amount integer NOT NULL);
CREATE INDEX ON refunds (job);

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM refunds WHERE job = p_job FOR UPDATE;
  IF FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO refunds VALUES (p_job, p_account, p_amount);
  UPDATE accounts SET balance = balance + p_amount WHERE id = p_account;
  RETURN true;
END
$$;
