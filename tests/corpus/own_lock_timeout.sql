-- about: the function sets its own lock_timeout, of 50 ms, and locks nothing that another worker wants
-- safe: two jobs of two users; only what makes a worker wait where it does not wait by itself could time out
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 0), ('bob', 0)
-- call: SELECT refund('j1', 'alice', 100)
-- call: SELECT refund('j2', 'bob', 200)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE refunds (job text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS text
LANGUAGE plpgsql SET lock_timeout = '50ms' AS $$
DECLARE
  v_balance integer;
BEGIN
  SELECT balance INTO v_balance FROM accounts WHERE id = p_account FOR UPDATE;
  SET LOCAL lock_timeout = '40ms';
  INSERT INTO refunds VALUES (p_job, p_amount);
  UPDATE accounts SET balance = v_balance + p_amount WHERE id = p_account;
  RETURN current_setting('lock_timeout');
END
$$;
