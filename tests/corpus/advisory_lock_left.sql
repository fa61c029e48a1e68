-- about: a session's advisory lock is given back at the end, but an error on the way keeps it for ever
-- T0  a: EXISTS -> no
-- T1  b: EXISTS -> no
-- T2  a: locks, INSERT, pays, unlocks, COMMIT
-- T3  b: locks, INSERT -> 23505: the transaction is gone, the session's lock is not
-- verdict: liveness
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- call: SELECT refund('j1', 'alice', 100)
-- call: SELECT refund('j1', 'alice', 100)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE refunds (job text PRIMARY KEY, account text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM refunds WHERE job = p_job) THEN
    RETURN false;
  END IF;
  PERFORM pg_advisory_lock(hashtext(p_account));
  INSERT INTO refunds VALUES (p_job, p_account, p_amount);
  UPDATE accounts SET balance = balance + p_amount WHERE id = p_account;
  PERFORM pg_advisory_unlock(hashtext(p_account));
  RETURN true;
END
$$;
