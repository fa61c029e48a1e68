-- about: a stale absolute write of one row, at REPEATABLE READ
-- safe: the row was changed after the snapshot, so the second UPDATE is refused with 40001
-- verdict: pass
-- needs: repeatable_read
-- setup: INSERT INTO accounts VALUES ('alice', 1000)
-- call: BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT refund('alice', 300); COMMIT
-- call: BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT refund('alice', 500); COMMIT

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);

CREATE FUNCTION refund(p_account text, p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_balance integer := (SELECT balance FROM accounts WHERE id = p_account);
BEGIN
  UPDATE accounts SET balance = v_balance + p_amount WHERE id = p_account;
  RETURN v_balance + p_amount;
END
$$;
