-- about: the refusal of NOWAIT is caught, and the work is done all the same
-- T0  a: SELECT … FOR UPDATE NOWAIT
-- T1  b: SELECT … FOR UPDATE NOWAIT -> 55P03, caught; v_balance is that of an ordinary read
-- T2  a: writes 30, COMMIT
-- T3  b: writes 30 as well: 140 were paid out of 100
-- verdict: serial_equivalence
-- setup: INSERT INTO accounts VALUES ('alice', 100)
-- call: SELECT withdraw('alice', 70)
-- call: SELECT withdraw('alice', 70)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE paid (account text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION withdraw(p_account text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_balance integer;
BEGIN
  BEGIN
    SELECT balance INTO v_balance FROM accounts WHERE id = p_account FOR UPDATE NOWAIT;
  EXCEPTION WHEN lock_not_available THEN
    SELECT balance INTO v_balance FROM accounts WHERE id = p_account;
  END;
  IF v_balance < p_amount THEN
    RETURN false;
  END IF;
  UPDATE accounts SET balance = v_balance - p_amount WHERE id = p_account;
  INSERT INTO paid VALUES (p_account, p_amount);
  RETURN true;
END
$$;
