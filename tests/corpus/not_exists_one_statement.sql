-- about: check, payment and mark in a single statement, which is all that the function does
-- T0  a: the statement, not yet committed
-- T1  b: the statement: NOT EXISTS does not see a's row; its UPDATE waits for a
-- T2  a: COMMIT
-- T3  b: goes on with the snapshot it took before, pays again
-- verdict: serial_equivalence, paid_once
-- needs: commit_point
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- call: SELECT refund('j1', 'alice', 100)
-- call: SELECT refund('j1', 'alice', 100)
-- invariant paid_once: SELECT job FROM refunds GROUP BY job HAVING count(*) > 1

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE refunds (job text NOT NULL, account text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH paid AS (
    INSERT INTO refunds
    SELECT p_job, p_account, p_amount WHERE NOT EXISTS (SELECT FROM refunds r WHERE r.job = p_job)
    RETURNING account, amount
  )
  UPDATE accounts a SET balance = a.balance + paid.amount FROM paid WHERE a.id = paid.account;
END
$$;
