-- about: a deferred constraint trigger checks the limit at commit, and can be overtaken there
-- T0  a: INSERT INTO spends; at COMMIT the trigger reads sum 60
-- T1  b: INSERT INTO spends; at COMMIT the trigger reads sum 60, a has not committed yet
-- T2  a: the trigger ends, committed; b: the same: 120 of 100
-- verdict: serial_equivalence, over_limit
-- needs: trigger, deferred
-- call: SELECT spend('alice', 60)
-- call: SELECT spend('alice', 60)
-- serial_error: P0001
-- invariant over_limit: SELECT account FROM spends GROUP BY account HAVING sum(amount) > 100

CREATE TABLE spends (account text NOT NULL, amount integer NOT NULL);
CREATE TABLE checked (account text NOT NULL, total integer NOT NULL);

CREATE FUNCTION check_limit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_total integer;
BEGIN
  SELECT sum(amount) INTO v_total FROM spends WHERE account = NEW.account;
  IF v_total > 100 THEN
    RAISE EXCEPTION 'limit passed: %', v_total;
  END IF;
  INSERT INTO checked VALUES (NEW.account, v_total);
  RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER check_limit AFTER INSERT ON spends
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_limit();

CREATE FUNCTION spend(p_account text, p_amount integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO spends VALUES (p_account, p_amount);
END
$$;
