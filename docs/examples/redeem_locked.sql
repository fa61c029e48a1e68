-- As redeem.sql, and right: who redeems a coupon second waits until the first has committed, and finds it used.
CREATE TABLE wallets (owner text PRIMARY KEY, balance integer NOT NULL CHECK (balance >= 0));
CREATE TABLE coupons (code text PRIMARY KEY, used_by text, worth integer NOT NULL);
INSERT INTO wallets VALUES ('ann', 100), ('bob', 0);
INSERT INTO coupons VALUES ('SPRING', NULL, 50);

CREATE FUNCTION redeem(p_code text, p_owner text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  c coupons%ROWTYPE;
  b integer;
BEGIN
  SELECT * INTO c FROM coupons WHERE code = p_code FOR UPDATE;
  IF c.used_by IS NOT NULL THEN
    RETURN -1;
  END IF;
  SELECT balance INTO b FROM wallets WHERE owner = p_owner;
  UPDATE coupons SET used_by = p_owner WHERE code = p_code;
  UPDATE wallets SET balance = b + c.worth WHERE owner = p_owner;
  RETURN b + c.worth;
END;
$$;
