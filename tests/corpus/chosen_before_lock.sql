-- about: the next payout is chosen by a sub-select, and locked outside it: who waits for it gets no row
-- T0  a: SELECT … WHERE id = (SELECT min(id) …) FOR UPDATE -> payout 1
-- T1  b: the same, waits for payout 1
-- T2  a: pays payout 1, COMMIT
-- T3  b: payout 1 is no longer open, nothing else was chosen: "nothing to do", payout 2 stays open
-- verdict: serial_equivalence
-- setup: INSERT INTO payouts VALUES (1, 'alice', 10, 'open'), (2, 'bob', 20, 'open')
-- call: SELECT pay_next()
-- call: SELECT pay_next()

CREATE TABLE payouts (id integer PRIMARY KEY, owner text NOT NULL, amount integer NOT NULL, state text NOT NULL);
CREATE TABLE paid (owner text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION pay_next() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  p payouts;
BEGIN
  SELECT * INTO p FROM payouts
  WHERE state = 'open' AND id = (SELECT min(id) FROM payouts WHERE state = 'open') FOR UPDATE;
  IF p.id IS NULL THEN
    RETURN 'nothing to do';
  END IF;
  INSERT INTO paid VALUES (p.owner, p.amount);
  UPDATE payouts SET state = 'paid' WHERE id = p.id;
  RETURN p.owner;
END
$$;
