-- about: MERGE … WHEN NOT MATCHED THEN INSERT into a table without a unique key
-- T0  a: MERGE: not matched, INSERT
-- T1  b: MERGE: not matched (a has not committed), INSERT
-- T2  a: pays, COMMIT; b: pays, COMMIT
-- verdict: serial_equivalence, paid_once
-- needs: pg15
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- call: SELECT refund('j1', 'alice', 100)
-- call: SELECT refund('j1', 'alice', 100)
-- invariant paid_once: SELECT job FROM refunds GROUP BY job HAVING count(*) > 1

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE refunds (job text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  n integer;
BEGIN
  MERGE INTO refunds r USING (SELECT p_job AS job) AS s ON r.job = s.job
  WHEN NOT MATCHED THEN INSERT VALUES (s.job, p_amount);
  GET DIAGNOSTICS n = ROW_COUNT;
  UPDATE accounts SET balance = balance + n * p_amount WHERE id = p_account;
  RETURN n;
END
$$;
