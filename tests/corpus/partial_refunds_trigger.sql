-- about: a trigger keeps partial refunds below the charge, and reads a sum that lacks what is not committed
-- T0  a: INSERT INTO refunds: the trigger reads sum 0
-- T1  b: INSERT INTO refunds: the trigger reads sum 0
-- T2  a: writes the row, COMMIT; b: writes the row, COMMIT: 120 of 100
-- verdict: serial_equivalence, over_refunded
-- needs: trigger
-- setup: INSERT INTO charges VALUES ('c1', 100)
-- call: SELECT refund('c1', 60)
-- call: SELECT refund('c1', 60)
-- serial_error: P0001
-- invariant over_refunded: SELECT c.id FROM charges c
--   WHERE c.amount < (SELECT sum(r.amount) FROM refunds r WHERE r.charge = c.id)

CREATE TABLE charges (id text PRIMARY KEY, amount integer NOT NULL);
CREATE TABLE refunds (charge text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION keep_below_charge() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_sum integer;
BEGIN
  SELECT coalesce(sum(amount), 0) INTO v_sum FROM refunds WHERE charge = NEW.charge;
  IF v_sum + NEW.amount > (SELECT amount FROM charges WHERE id = NEW.charge) THEN
    RAISE EXCEPTION 'more than the charge';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER keep_below_charge BEFORE INSERT ON refunds FOR EACH ROW EXECUTE FUNCTION keep_below_charge();

CREATE FUNCTION refund(p_charge text, p_amount integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO refunds VALUES (p_charge, p_amount);
END
$$;
