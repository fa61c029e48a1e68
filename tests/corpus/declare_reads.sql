-- about: the initialiser of a declared variable reads the balance, before the first statement
-- T0  a: DECLARE v_balance := (SELECT balance) -> 100
-- T1  b: DECLARE v_balance := (SELECT balance) -> 100
-- T2  a: 100 >= 70, UPDATE, COMMIT; b: 100 >= 70, UPDATE, COMMIT: -40
-- verdict: serial_equivalence, overdrawn
-- setup: INSERT INTO accounts VALUES ('alice', 100)
-- call: SELECT withdraw('alice', 70)
-- call: SELECT withdraw('alice', 70)
-- invariant overdrawn: SELECT id FROM accounts WHERE balance < 0

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);

CREATE FUNCTION withdraw(p_account text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_balance CONSTANT integer := (SELECT balance FROM accounts WHERE id = p_account);
  v_enough boolean := v_balance >= p_amount;
BEGIN
  IF v_enough THEN
    UPDATE accounts SET balance = balance - p_amount WHERE id = p_account;
  END IF;
  RETURN v_enough;
END
$$;
