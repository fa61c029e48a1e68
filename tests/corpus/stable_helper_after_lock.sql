-- about: the STABLE helper is called in a statement of its own, after the lock
-- safe: that statement's snapshot is taken after the wait, and the helper reads in it
-- verdict: pass
-- setup: INSERT INTO charges VALUES ('c1', 100)
-- call: SELECT refund('c1', 60)
-- call: SELECT refund('c1', 60)
-- invariant over_refunded: SELECT c.id FROM charges c
--   WHERE c.amount < (SELECT sum(r.amount) FROM refunds r WHERE r.charge = c.id)

CREATE TABLE charges (id text PRIMARY KEY, amount integer NOT NULL);
CREATE TABLE refunds (charge text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refunded_of(p_charge text) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(amount), 0) FROM refunds WHERE charge = p_charge
$$;

CREATE FUNCTION refund(p_charge text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_amount integer;
BEGIN
  SELECT amount INTO STRICT v_amount FROM charges WHERE id = p_charge FOR UPDATE;
  IF refunded_of(p_charge) + p_amount > v_amount THEN
    RETURN false;
  END IF;
  INSERT INTO refunds VALUES (p_charge, p_amount);
  RETURN true;
END
$$;
