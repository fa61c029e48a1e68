-- about: RETURN (SELECT …) of a total that the other worker is changing: answers no serial run gives, money right
-- safe: each writes only its own account and by what it holds; the total is for show
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 100), ('bob', 100)
-- call: SELECT deposit('alice', 5)
-- call: SELECT deposit('bob', 7)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);

CREATE FUNCTION deposit(p_account text, p_amount integer) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  UPDATE accounts SET balance = balance + p_amount WHERE id = p_account;
  RETURN (SELECT sum(balance) FROM accounts);
END
$$;
