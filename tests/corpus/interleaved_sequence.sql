-- about: each worker writes two numbered rows for another account; their numbers interleave, and nothing else
-- safe: the numbers say nothing about the money; each account's rows and balance are its own worker's
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 0), ('bob', 0)
-- call: SELECT refund('alice', 10)
-- call: SELECT refund('bob', 20)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE entries (
  no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account text NOT NULL, kind text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_account text, p_amount integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO entries (account, kind, amount) VALUES (p_account, 'refund', p_amount);
  INSERT INTO entries (account, kind, amount) VALUES (p_account, 'bonus', 1);
  UPDATE accounts SET balance = balance + p_amount + 1 WHERE id = p_account;
END
$$;
