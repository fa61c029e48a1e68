-- about: a STABLE helper reads in the snapshot of the statement that calls it, also after that has waited for a lock
-- T0  a: SELECT refunded_of(id) … FOR UPDATE -> 0
-- T1  b: SELECT refunded_of(id) … FOR UPDATE waits for a
-- T2  a: INSERT INTO refunds, UPDATE charges, COMMIT
-- T3  b: the changed row is looked at again, but refunded_of(id) still reads b's old snapshot -> 0: 120 of 100
-- verdict: serial_equivalence, over_refunded
-- setup: INSERT INTO charges VALUES ('c1', 100, 0)
-- call: SELECT refund('c1', 60)
-- call: SELECT refund('c1', 60)
-- invariant over_refunded: SELECT c.id FROM charges c
--   WHERE c.amount < (SELECT sum(r.amount) FROM refunds r WHERE r.charge = c.id)

CREATE TABLE charges (id text PRIMARY KEY, amount integer NOT NULL, version integer NOT NULL);
CREATE TABLE refunds (charge text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refunded_of(p_charge text) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (SELECT coalesce(sum(amount), 0) FROM refunds WHERE charge = p_charge);
END
$$;

CREATE FUNCTION refund(p_charge text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_amount integer;
  v_refunded bigint;
BEGIN
  SELECT amount, refunded_of(id) INTO v_amount, v_refunded FROM charges WHERE id = p_charge FOR UPDATE;
  IF v_refunded + p_amount > v_amount THEN
    RETURN false;
  END IF;
  UPDATE charges SET version = version + 1 WHERE id = p_charge;
  INSERT INTO refunds VALUES (p_charge, p_amount);
  RETURN true;
END
$$;
