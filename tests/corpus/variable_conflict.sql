-- about: #variable_conflict use_column, with variables named as the columns are
-- safe: the row is locked before it is read
-- verdict: pass
-- setup: INSERT INTO wallets VALUES ('alice', 100)
-- call: SELECT debit('alice', 70)
-- call: SELECT debit('alice', 70)
-- invariant overdrawn: SELECT owner FROM wallets WHERE balance < 0

CREATE TABLE wallets (owner text PRIMARY KEY, balance integer NOT NULL);

CREATE FUNCTION debit(who text, amount integer) RETURNS integer LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  balance integer := -1;
  enough boolean;
BEGIN
  SELECT balance >= amount INTO enough FROM wallets WHERE owner = who FOR UPDATE;
  IF NOT enough THEN
    RETURN NULL;
  END IF;
  UPDATE wallets SET balance = balance - amount WHERE owner = who;
  RETURN balance;
END
$$;
