-- about: the trigger locks the charge before it takes the sum
-- safe: triggers on refunds of one charge run one after the other, and each statement in them has a fresh snapshot
-- verdict: pass
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
  v_charged integer;
BEGIN
  SELECT amount INTO v_charged FROM charges WHERE id = NEW.charge FOR UPDATE;
  IF (SELECT coalesce(sum(amount), 0) FROM refunds WHERE charge = NEW.charge) + NEW.amount > v_charged THEN
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
