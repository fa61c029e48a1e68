-- about: the unique key decides who pays
-- safe: ON CONFLICT DO NOTHING waits for the other insert to commit and then inserts nothing; FOUND tells
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- call: SELECT refund('j1', 'alice', 100)
-- call: SELECT refund('j1', 'alice', 100)
-- invariant balance_matches: SELECT id FROM accounts a
--   WHERE balance <> (SELECT coalesce(sum(amount), 0) FROM refunds r WHERE r.account = a.id)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE refunds (job text PRIMARY KEY, account text NOT NULL, amount integer NOT NULL CHECK (amount > 0));

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO refunds VALUES (p_job, p_account, p_amount) ON CONFLICT (job) DO NOTHING;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE accounts SET balance = balance + p_amount WHERE id = p_account;
  RETURN true;
END
$$;
