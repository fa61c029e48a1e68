-- about: both workers hold the row FOR SHARE and want to write it
-- T0  a: SELECT … FOR SHARE
-- T1  b: SELECT … FOR SHARE (shares with a)
-- T2  a: UPDATE waits for b
-- T3  b: UPDATE waits for a: deadlock
-- verdict: deadlock
-- setup: INSERT INTO giftcards VALUES ('g1', 100)
-- call: SELECT redeem('g1', 60)
-- call: SELECT redeem('g1', 60)

CREATE TABLE giftcards (code text PRIMARY KEY, remaining integer NOT NULL);

CREATE FUNCTION redeem(p_code text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_remaining integer;
BEGIN
  SELECT remaining INTO v_remaining FROM giftcards WHERE code = p_code FOR SHARE;
  IF v_remaining < p_amount THEN
    RETURN false;
  END IF;
  UPDATE giftcards SET remaining = v_remaining - p_amount WHERE code = p_code;
  RETURN true;
END
$$;
