-- about: the client locks, calls a function that does not, and commits: three statements of one transaction
-- safe: the client's own SELECT … FOR UPDATE lasts until its COMMIT
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 100)
-- call: BEGIN; SELECT balance FROM accounts WHERE id = 'alice' FOR UPDATE; SELECT withdraw('alice', 70); COMMIT
-- call: BEGIN; SELECT balance FROM accounts WHERE id = 'alice' FOR UPDATE; SELECT withdraw('alice', 70); COMMIT
-- invariant overdrawn: SELECT id FROM accounts WHERE balance < 0

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);

CREATE FUNCTION withdraw(p_account text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT balance FROM accounts WHERE id = p_account) < p_amount THEN
    RETURN false;
  END IF;
  UPDATE accounts SET balance = balance - p_amount WHERE id = p_account;
  RETURN true;
END
$$;
