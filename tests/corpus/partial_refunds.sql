-- about: partial refunds are summed and compared with the charge, and nothing is locked
-- T0  a: sum -> 0
-- T1  b: sum -> 0
-- T2  a: INSERT 60, COMMIT; b: INSERT 60, COMMIT: 120 of 100
-- verdict: serial_equivalence, over_refunded
-- setup: INSERT INTO charges VALUES ('c1', 100)
-- call: SELECT refund('c1', 60)
-- call: SELECT refund('c1', 60)
-- invariant over_refunded: SELECT c.id FROM charges c
--   WHERE c.amount < (SELECT sum(r.amount) FROM refunds r WHERE r.charge = c.id)

CREATE TABLE charges (id text PRIMARY KEY, amount integer NOT NULL);
CREATE TABLE refunds (charge text NOT NULL REFERENCES charges, amount integer NOT NULL CHECK (amount > 0));

CREATE FUNCTION refund(p_charge text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_left integer;
BEGIN
  SELECT c.amount - coalesce(sum(r.amount), 0) INTO v_left
  FROM charges c LEFT JOIN refunds r ON r.charge = c.id WHERE c.id = p_charge GROUP BY c.amount;
  IF p_amount > v_left THEN
    RETURN false;
  END IF;
  INSERT INTO refunds VALUES (p_charge, p_amount);
  RETURN true;
END
$$;
