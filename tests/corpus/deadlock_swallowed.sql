-- about: WHEN OTHERS turns the deadlock into a polite answer, and the transfer is lost
-- T0  a: UPDATE alice
-- T1  b: UPDATE bob
-- T2  a: UPDATE bob waits for b
-- T3  b: UPDATE alice -> 40P01, caught; b answers, and has done nothing that a serial run does
-- verdict: deadlock, serial_equivalence
-- setup: INSERT INTO accounts VALUES ('alice', 100), ('bob', 100)
-- call: SELECT transfer('alice', 'bob', 10)
-- call: SELECT transfer('bob', 'alice', 20)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL CHECK (balance >= 0));
CREATE TABLE transfers (payer text NOT NULL, payee text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION transfer(p_from text, p_to text, p_amount integer) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  UPDATE accounts SET balance = balance - p_amount WHERE id = p_from;
  INSERT INTO transfers VALUES (p_from, p_to, p_amount);
  UPDATE accounts SET balance = balance + p_amount WHERE id = p_to;
  RETURN jsonb_build_object('success', true);
EXCEPTION WHEN OTHERS THEN
  RETURN jsonb_build_object('success', false, 'code', SQLSTATE);
END
$$;
