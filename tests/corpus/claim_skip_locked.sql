-- about: the sub-select that chooses the payout locks it and leaves out what is locked
-- safe: each worker chooses a payout that nobody holds, and the lock keeps it until commit
-- verdict: pass
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
  WITH next AS MATERIALIZED (
    SELECT id FROM payouts WHERE state = 'open' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
  )
  UPDATE payouts p SET state = 'paid' FROM next WHERE p.id = next.id RETURNING p.id, p.amount INTO v_id, v_amount;
  IF FOUND THEN
    INSERT INTO paid VALUES (v_id, v_amount);
  END IF;
  RETURN v_id;
END
$$;
