-- about: one UPDATE checks and writes
-- safe: the second UPDATE waits and looks at its WHERE again with the balance that the first has committed
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 100)
-- call: SELECT spend('alice', 70)
-- call: SELECT spend('alice', 70)
-- invariant overdrawn: SELECT id FROM accounts WHERE balance < 0

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE spends (account text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION spend(p_account text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE accounts SET balance = balance - p_amount WHERE id = p_account AND balance >= p_amount;
  IF FOUND THEN
    INSERT INTO spends VALUES (p_account, p_amount);
  END IF;
  RETURN FOUND;
END
$$;
