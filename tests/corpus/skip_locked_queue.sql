-- about: the queue is drained with FOR UPDATE SKIP LOCKED: each payout is paid by whoever locked it
-- safe: a locked row is left out, a row that was paid meanwhile is looked at again and no longer matches;
--   whoever leaves a row out leaves it to the one who pays it
-- verdict: pass
-- setup: INSERT INTO payouts VALUES (1, 'alice', 10, 'open'), (2, 'bob', 20, 'open'), (3, 'alice', 30, 'open')
-- setup: INSERT INTO wallets VALUES ('alice', 0), ('bob', 0)
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
  FOR r IN SELECT id, owner, amount FROM payouts WHERE state = 'open' ORDER BY owner, id FOR UPDATE SKIP LOCKED LOOP
    UPDATE wallets SET balance = balance + r.amount WHERE owner = r.owner;
    UPDATE payouts SET state = 'paid' WHERE id = r.id;
    n := n + 1;
  END LOOP;
  RETURN n;
END
$$;
