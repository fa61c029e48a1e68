-- about: the UPDATE that waited looks at its row again, but not at the other table in its sub-select
-- T0  a: UPDATE accounts … WHERE (SELECT sum(amount) FROM spends …) -> 1 row
-- T1  b: UPDATE accounts … waits for a's row
-- T2  a: INSERT INTO spends, COMMIT
-- T3  b: sum(amount) is that of b's old snapshot, 0: the daily limit of 100 is passed
-- verdict: serial_equivalence, over_limit
-- setup: INSERT INTO accounts VALUES ('alice', 1000)
-- call: SELECT spend('alice', 60)
-- call: SELECT spend('alice', 60)
-- invariant over_limit: SELECT account FROM spends GROUP BY account HAVING sum(amount) > 100

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE spends (account text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION spend(p_account text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE accounts a SET balance = a.balance - p_amount
  WHERE a.id = p_account
    AND (SELECT coalesce(sum(s.amount), 0) FROM spends s WHERE s.account = a.id) + p_amount <= 100;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO spends VALUES (p_account, p_amount);
  RETURN true;
END
$$;
