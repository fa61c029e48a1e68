-- about: the account is locked in one statement, and the sum taken in the next
-- safe: at READ COMMITTED each statement of the function has a snapshot of its own, taken after the wait
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 1000)
-- call: SELECT spend('alice', 60)
-- call: SELECT spend('alice', 60)
-- invariant over_limit: SELECT account FROM spends GROUP BY account HAVING sum(amount) > 100

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE spends (account text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION spend(p_account text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_spent integer;
BEGIN
  PERFORM 1 FROM accounts WHERE id = p_account FOR UPDATE;
  v_spent := (SELECT coalesce(sum(amount), 0) FROM spends WHERE account = p_account);
  IF v_spent + p_amount > 100 THEN
    RETURN false;
  END IF;
  UPDATE accounts SET balance = balance - p_amount WHERE id = p_account;
  INSERT INTO spends VALUES (p_account, p_amount);
  RETURN true;
END
$$;
