-- about: no lock, but the write demands the version that was read, and gives up otherwise
-- safe: the second UPDATE waits, looks again, finds another version and no row; the call is refused
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 100, 1)
-- call: SELECT credit('alice', 10)
-- call: SELECT credit('alice', 20)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL, version integer NOT NULL);

CREATE FUNCTION credit(p_account text, p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  r record;
BEGIN
  SELECT balance, version INTO r FROM accounts WHERE id = p_account;
  UPDATE accounts SET balance = r.balance + p_amount, version = r.version + 1
  WHERE id = p_account AND version = r.version;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'account % was changed meanwhile', p_account USING ERRCODE = 'serialization_failure';
  END IF;
  RETURN r.balance + p_amount;
END
$$;
