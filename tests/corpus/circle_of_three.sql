-- about: three transfers in a circle: no two of them lock crosswise, all three do
-- T0  a: UPDATE alice; b: UPDATE bob; c: UPDATE carol
-- T1  a: UPDATE bob waits for b
-- T2  b: UPDATE carol waits for c
-- T3  c: UPDATE alice waits for a: deadlock
-- verdict: deadlock
-- needs: three_workers
-- setup: INSERT INTO accounts VALUES ('alice', 100), ('bob', 100), ('carol', 100)
-- call: SELECT transfer('alice', 'bob', 10)
-- call: SELECT transfer('bob', 'carol', 20)
-- call: SELECT transfer('carol', 'alice', 30)
-- invariant conserved: SELECT sum(balance) FROM accounts HAVING sum(balance) <> 300

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL CHECK (balance >= 0));
CREATE TABLE transfers (payer text NOT NULL, payee text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION transfer(p_from text, p_to text, p_amount integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE accounts SET balance = balance - p_amount WHERE id = p_from;
  INSERT INTO transfers VALUES (p_from, p_to, p_amount);
  UPDATE accounts SET balance = balance + p_amount WHERE id = p_to;
END
$$;
