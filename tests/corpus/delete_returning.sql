-- about: a voucher is redeemed by deleting it
-- safe: DELETE … RETURNING is one statement; who waits for it finds the row gone
-- verdict: pass
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
  DELETE FROM vouchers WHERE code = p_code RETURNING amount INTO v_amount;
  IF NOT FOUND THEN
    RETURN 0;
  END IF;
  UPDATE accounts SET balance = balance + v_amount WHERE id = p_account;
  RETURN v_amount;
END
$$;
