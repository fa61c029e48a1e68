-- about: a whole row is read into a %ROWTYPE variable, changed there and written back
-- T0  a: SELECT * INTO r -> balance 100
-- T1  b: SELECT * INTO r -> balance 100
-- T2  a: UPDATE … = (r.balance, r.version), COMMIT
-- T3  b: UPDATE … = (r.balance, r.version), COMMIT: a's change is gone
-- verdict: serial_equivalence
-- setup: INSERT INTO accounts VALUES ('alice', 100, 1)
-- call: SELECT credit('alice', 10)
-- call: SELECT credit('alice', 20)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL, version integer NOT NULL);

CREATE FUNCTION credit(p_account text, p_amount integer) RETURNS accounts LANGUAGE plpgsql AS $$
DECLARE
  r accounts%ROWTYPE;
  v_balance accounts.balance%TYPE;
BEGIN
  SELECT * INTO STRICT r FROM accounts WHERE id = p_account;
  v_balance := r.balance + p_amount;
  r.balance := v_balance;
  r.version := r.version + 1;
  UPDATE accounts SET (balance, version) = (r.balance, r.version) WHERE id = r.id;
  RETURN r;
END
$$;
