-- about: a coupon may be used twice; two workers never pass that, three do
-- T0  a: count(*) -> 0
-- T1  b: count(*) -> 0
-- T2  c: count(*) -> 0
-- T3  a, b, c: INSERT, COMMIT: used three times
-- verdict: serial_equivalence, used_twice
-- needs: three_workers
-- setup: INSERT INTO coupons VALUES ('SAVE', 2)
-- call: SELECT use_coupon('SAVE', 'alice')
-- call: SELECT use_coupon('SAVE', 'bob')
-- call: SELECT use_coupon('SAVE', 'carol')
-- invariant used_twice: SELECT coupon FROM uses GROUP BY coupon HAVING count(*) > 2

CREATE TABLE coupons (code text PRIMARY KEY, max_uses integer NOT NULL);
CREATE TABLE uses (coupon text NOT NULL REFERENCES coupons, customer text NOT NULL);

CREATE FUNCTION use_coupon(p_code text, p_customer text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT count(*) FROM uses WHERE coupon = p_code) >= (SELECT max_uses FROM coupons WHERE code = p_code) THEN
    RETURN false;
  END IF;
  INSERT INTO uses VALUES (p_code, p_customer);
  RETURN true;
END
$$;
