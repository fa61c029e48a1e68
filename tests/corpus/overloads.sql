-- about: two functions of one name: the one with the amount locks, the one without does not
-- T0  a: refund('j1'): SELECT status -> processing
-- T1  b: refund('j1', 400): locks, pays, marks, COMMIT
-- T2  a: pays, marks, COMMIT
-- verdict: serial_equivalence
-- may: deadlock
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- setup: INSERT INTO jobs VALUES ('j1', 'processing', 400)
-- call: SELECT refund('j1')
-- call: SELECT refund('j1', 400)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, status text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM jobs WHERE id = p_job AND status = 'processing' FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE accounts SET balance = balance + p_amount;
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
  RETURN true;
END
$$;

CREATE FUNCTION refund(p_job text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_amount integer;
BEGIN
  SELECT amount INTO v_amount FROM jobs WHERE id = p_job AND status = 'processing';
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE accounts SET balance = balance + v_amount;
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
  RETURN true;
END
$$;
