-- about: the next payout is taken by ORDER BY … LIMIT 1 FOR UPDATE, without SKIP LOCKED
-- safe: who waits looks at payout 1 again, finds it paid, and goes on to payout 2: LIMIT counts what was locked
-- verdict: pass
-- setup: INSERT INTO payouts VALUES (1, 'alice', 10, 'open'), (2, 'bob', 20, 'open')
-- call: SELECT pay_next()
-- call: SELECT pay_next()

CREATE TABLE payouts (id integer PRIMARY KEY, owner text NOT NULL, amount integer NOT NULL, state text NOT NULL);
CREATE TABLE paid (owner text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION pay_next() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  p payouts;
BEGIN
  SELECT * INTO p FROM payouts WHERE state = 'open' ORDER BY id LIMIT 1 FOR UPDATE;
  IF p.id IS NULL THEN
    RETURN 'nothing to do';
  END IF;
  INSERT INTO paid VALUES (p.owner, p.amount);
  UPDATE payouts SET state = 'paid' WHERE id = p.id;
  RETURN p.owner;
END
$$;
