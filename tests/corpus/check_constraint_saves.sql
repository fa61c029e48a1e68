-- about: the balance is checked without a lock, and a CHECK constraint refuses what the check let through
-- safe: the second UPDATE adds to the newest version, and the constraint looks at the result
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 100)
-- call: SELECT withdraw('alice', 70)
-- call: SELECT withdraw('alice', 70)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL CHECK (balance >= 0));

CREATE FUNCTION withdraw(p_account text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT balance FROM accounts WHERE id = p_account) < p_amount THEN
    RETURN false;
  END IF;
  UPDATE accounts SET balance = balance - p_amount WHERE id = p_account;
  RETURN true;
END
$$;
