-- about: the sub-select that chooses the payout locks nothing, so both choose the same one
-- T0  a: UPDATE … WHERE id = (SELECT … LIMIT 1) -> payout 1
-- T1  b: UPDATE … WHERE id = (SELECT … LIMIT 1): chose payout 1, waits for a
-- T2  a: pays, COMMIT
-- T3  b: looks at payout 1 again: its id still matches; pays it again
-- verdict: serial_equivalence, paid_once
-- setup: INSERT INTO payouts VALUES (1, 'alice', 10, 'open'), (2, 'bob', 20, 'open')
-- call: SELECT pay_next()
-- call: SELECT pay_next()
-- invariant paid_once: SELECT payout FROM paid GROUP BY payout HAVING count(*) > 1

CREATE TABLE payouts (id integer PRIMARY KEY, owner text NOT NULL, amount integer NOT NULL, state text NOT NULL);
CREATE TABLE paid (payout integer NOT NULL, amount integer NOT NULL);

CREATE FUNCTION pay_next() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_id integer;
  v_amount integer;
BEGIN
  UPDATE payouts SET state = 'paid'
  WHERE id = (SELECT id FROM payouts WHERE state = 'open' ORDER BY id LIMIT 1)
  RETURNING id, amount INTO v_id, v_amount;
  IF FOUND THEN
    INSERT INTO paid VALUES (v_id, v_amount);
  END IF;
  RETURN v_id;
END
$$;
