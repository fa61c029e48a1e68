-- about: the advisory lock is the job's, what it should guard is the user's
-- T0  a: locks j1, SELECT balance -> 0
-- T1  b: locks j2, SELECT balance -> 0
-- T2  a: UPDATE balance = 100, COMMIT
-- T3  b: UPDATE balance = 200, COMMIT: 100 are lost
-- verdict: serial_equivalence
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- call: SELECT refund('j1', 'alice', 100)
-- call: SELECT refund('j2', 'alice', 200)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE refunds (job text PRIMARY KEY, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_balance integer;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext(p_job));
  INSERT INTO refunds VALUES (p_job, p_amount) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  SELECT balance INTO v_balance FROM accounts WHERE id = p_account;
  UPDATE accounts SET balance = v_balance + p_amount WHERE id = p_account;
  RETURN v_balance + p_amount;
END
$$;
