-- about: a transfer locks both accounts, the smaller id first
-- safe: everybody locks in the same order, so nobody closes a circle
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 100), ('bob', 100)
-- call: SELECT transfer('alice', 'bob', 90)
-- call: SELECT transfer('bob', 'alice', 150)
-- invariant conserved: SELECT sum(balance) FROM accounts HAVING sum(balance) <> 200

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);

CREATE FUNCTION transfer(p_from text, p_to text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM accounts WHERE id IN (p_from, p_to) ORDER BY id FOR UPDATE;
  IF (SELECT balance FROM accounts WHERE id = p_from) < p_amount THEN
    RETURN false;
  END IF;
  UPDATE accounts SET balance = balance - p_amount WHERE id = p_from;
  UPDATE accounts SET balance = balance + p_amount WHERE id = p_to;
  RETURN true;
END
$$;
