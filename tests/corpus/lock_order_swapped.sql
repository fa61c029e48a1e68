-- about: a transfer locks the payer first, so two transfers in opposite directions lock crosswise
-- T0  a: UPDATE alice
-- T1  b: UPDATE bob
-- T2  a: UPDATE bob waits for b
-- T3  b: UPDATE alice waits for a: deadlock
-- verdict: deadlock
-- setup: INSERT INTO accounts VALUES ('alice', 100), ('bob', 100)
-- call: SELECT transfer('alice', 'bob', 10)
-- call: SELECT transfer('bob', 'alice', 20)
-- invariant conserved: SELECT sum(balance) FROM accounts HAVING sum(balance) <> 200

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL CHECK (balance >= 0));
CREATE TABLE transfers (payer text NOT NULL, payee text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION transfer(p_from text, p_to text, p_amount integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE accounts SET balance = balance - p_amount WHERE id = p_from;
  INSERT INTO transfers VALUES (p_from, p_to, p_amount);
  UPDATE accounts SET balance = balance + p_amount WHERE id = p_to;
END
$$;
