-- about: a grant is paid out in slices as long as the condition of the WHILE finds money in it
-- T0  a: WHILE (SELECT remaining …) >= 10 -> true
-- T1  b: WHILE (SELECT remaining …) >= 10 -> true
-- T2  a: takes the last 10, COMMIT; b: takes 10 more: -10
-- verdict: serial_equivalence, overpaid
-- needs: condition
-- setup: INSERT INTO grants VALUES ('g1', 10)
-- setup: INSERT INTO accounts VALUES ('alice', 0), ('bob', 0)
-- call: SELECT drain('g1', 'alice')
-- call: SELECT drain('g1', 'bob')
-- invariant overpaid: SELECT id FROM grants WHERE remaining < 0

CREATE TABLE grants (id text PRIMARY KEY, remaining integer NOT NULL);
CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);

CREATE FUNCTION drain(p_grant text, p_account text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  n integer := 0;
BEGIN
  WHILE (SELECT remaining FROM grants WHERE id = p_grant) >= 10 LOOP
    UPDATE grants SET remaining = remaining - 10 WHERE id = p_grant;
    n := n + 10;
  END LOOP;
  UPDATE accounts SET balance = balance + n WHERE id = p_account;
  RETURN n;
END
$$;
