-- about: the status is checked without a lock, and a unique key turns the second away with a raw 23505
-- safe: the error undoes all that its call has done; a serial run answers politely, but the money is right
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- call: SELECT refund('j1', 'alice', 100)
-- call: SELECT refund('j1', 'alice', 100)
-- invariant balance_matches: SELECT id FROM accounts a
--   WHERE balance <> (SELECT coalesce(sum(amount), 0) FROM refunds r WHERE r.account = a.id)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE refunds (job text PRIMARY KEY, account text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM refunds WHERE job = p_job) THEN
    RETURN false;
  END IF;
  UPDATE accounts SET balance = balance + p_amount WHERE id = p_account;
  INSERT INTO refunds VALUES (p_job, p_account, p_amount);
  RETURN true;
END
$$;
