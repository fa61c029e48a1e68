-- about: a voucher is read, credited and then deleted, and nobody asks whether the DELETE found it
-- T0  a: SELECT amount -> 25
-- T1  b: SELECT amount -> 25
-- T2  a: credits alice, DELETE 1 row, COMMIT
-- T3  b: credits bob, DELETE 0 rows, COMMIT
-- verdict: serial_equivalence, conserved
-- setup: INSERT INTO vouchers VALUES ('v1', 25)
-- setup: INSERT INTO accounts VALUES ('alice', 0), ('bob', 0)
-- call: SELECT redeem('v1', 'alice')
-- call: SELECT redeem('v1', 'bob')
-- invariant conserved: SELECT 1 WHERE (SELECT sum(balance) FROM accounts)
--   + (SELECT coalesce(sum(amount), 0) FROM vouchers) <> 25

CREATE TABLE vouchers (code text PRIMARY KEY, amount integer NOT NULL);
CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);

CREATE FUNCTION redeem(p_code text, p_account text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_amount integer;
BEGIN
  SELECT amount INTO v_amount FROM vouchers WHERE code = p_code;
  IF v_amount IS NULL THEN
    RETURN 0;
  END IF;
  UPDATE accounts SET balance = balance + v_amount WHERE id = p_account;
  DELETE FROM vouchers WHERE code = p_code;
  RETURN v_amount;
END
$$;
