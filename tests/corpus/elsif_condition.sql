-- about: the query that decides is the condition of an ELSIF
-- T0  a: ELSIF (SELECT status …) = 'processing' -> true
-- T1  b: the same -> true
-- T2  a: pays, marks, COMMIT; b: pays, marks, COMMIT
-- verdict: serial_equivalence
-- needs: condition
-- setup: INSERT INTO accounts VALUES ('alice', 4000)
-- setup: INSERT INTO jobs VALUES ('j1', 'processing')
-- call: SELECT refund('j1', 'alice', 1000)
-- call: SELECT refund('j1', 'alice', 1000)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, status text NOT NULL);

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF p_amount <= 0 THEN
    RETURN 'bad amount';
  ELSIF (SELECT status FROM jobs WHERE id = p_job) = 'completed' THEN
    RETURN 'completed';
  ELSIF (SELECT status FROM jobs WHERE id = p_job) = 'processing' THEN
    UPDATE accounts SET balance = balance + p_amount WHERE id = p_account;
    UPDATE jobs SET status = 'failed' WHERE id = p_job;
    RETURN 'refunded';
  ELSE
    RETURN 'already refunded';
  END IF;
END
$$;
