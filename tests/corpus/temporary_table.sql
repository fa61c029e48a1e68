-- about: the function collects what it will pay in a temporary table, without a lock
-- T0  a: CREATE TEMP TABLE … AS SELECT open payouts -> 1
-- T1  b: CREATE TEMP TABLE … AS SELECT open payouts -> 1
-- T2  a: pays, marks, COMMIT; b: pays, marks, COMMIT
-- verdict: serial_equivalence
-- setup: INSERT INTO payouts VALUES (1, 10, 'open')
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- call: SELECT pay_open('alice')
-- call: SELECT pay_open('alice')

CREATE TABLE payouts (id integer PRIMARY KEY, amount integer NOT NULL, state text NOT NULL);
CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);

CREATE FUNCTION pay_open(p_account text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  n bigint;
BEGIN
  CREATE TEMP TABLE batch ON COMMIT DROP AS SELECT id, amount FROM payouts WHERE state = 'open';
  UPDATE accounts SET balance = balance + coalesce((SELECT sum(amount) FROM batch), 0) WHERE id = p_account;
  UPDATE payouts p SET state = 'paid' FROM batch b WHERE p.id = b.id;
  GET DIAGNOSTICS n := ROW_COUNT;
  RETURN n;
END
$$;
