-- about: INSERT … WHERE NOT EXISTS looks atomic, but does not see what the other has inserted and not committed
-- T0  a: INSERT … WHERE NOT EXISTS -> 1 row
-- T1  b: INSERT … WHERE NOT EXISTS -> 1 row, a has not committed
-- T2  a: UPDATE accounts, COMMIT
-- T3  b: UPDATE accounts, COMMIT
-- verdict: serial_equivalence, paid_once
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- call: SELECT refund('j1', 'alice', 100)
-- call: SELECT refund('j1', 'alice', 100)
-- invariant paid_once: SELECT job FROM refunds GROUP BY job HAVING count(*) > 1

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE refunds (job text NOT NULL, account text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  n integer;
BEGIN
  INSERT INTO refunds
  SELECT p_job, p_account, p_amount WHERE NOT EXISTS (SELECT FROM refunds r WHERE r.job = p_job);
  GET DIAGNOSTICS n = ROW_COUNT;
  UPDATE accounts SET balance = balance + n * p_amount WHERE id = p_account;
  RETURN n;
END
$$;
