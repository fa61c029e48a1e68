-- about: the loop's query lists the open payouts, and nobody looks at a payout again before paying it
-- T0  a: FOR … IN SELECT … WHERE state = 'open' -> payouts 1, 2
-- T1  b: FOR … IN SELECT … WHERE state = 'open' -> payouts 1, 2
-- T2  a: pays both, COMMIT; b: pays both, COMMIT
-- verdict: serial_equivalence, paid_wrong
-- needs: condition
-- setup: INSERT INTO payouts VALUES (1, 'alice', 10, 'open'), (2, 'alice', 20, 'open')
-- setup: INSERT INTO wallets VALUES ('alice', 0)
-- call: SELECT pay_open()
-- call: SELECT pay_open()
-- invariant paid_wrong: SELECT owner FROM wallets w
--   WHERE w.balance <> (SELECT sum(amount) FROM payouts p WHERE p.owner = w.owner)

CREATE TABLE payouts (id integer PRIMARY KEY, owner text NOT NULL, amount integer NOT NULL, state text NOT NULL);
CREATE TABLE wallets (owner text PRIMARY KEY, balance integer NOT NULL);

CREATE FUNCTION pay_open() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  r record;
  n integer := 0;
BEGIN
  FOR r IN
    SELECT id, owner, amount FROM payouts WHERE state = 'open' ORDER BY id
  LOOP
    UPDATE wallets SET balance = balance + r.amount WHERE owner = r.owner;
    UPDATE payouts SET state = 'paid' WHERE id = r.id;
    n := n + 1;
  END LOOP;
  RETURN n;
END
$$;
