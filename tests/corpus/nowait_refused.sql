-- about: the second worker does not wait and is refused by the server
-- safe: FOR UPDATE NOWAIT raises 55P03, which ends the call: it has done nothing, and its caller knows
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 100)
-- call: SELECT withdraw('alice', 70)
-- call: SELECT withdraw('alice', 70)
-- invariant overdrawn: SELECT id FROM accounts WHERE balance < 0

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);

CREATE FUNCTION withdraw(p_account text, p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_balance integer;
BEGIN
  SELECT balance INTO v_balance FROM accounts WHERE id = p_account FOR UPDATE NOWAIT;
  IF v_balance < p_amount THEN
    RETURN NULL;
  END IF;
  UPDATE accounts SET balance = v_balance - p_amount WHERE id = p_account RETURNING balance INTO v_balance;
  RETURN v_balance;
END
$$;
