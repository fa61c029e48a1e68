-- about: the same calls, but the first one down locks the account
-- safe: the lock that read_balance takes lasts until the end of the transaction
-- verdict: pass
-- needs: nested
-- setup: INSERT INTO accounts VALUES ('alice', 1000)
-- call: SELECT refund('alice', 300)
-- call: SELECT refund('alice', 500)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);

CREATE FUNCTION read_balance(p_account text) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT balance FROM accounts WHERE id = p_account FOR UPDATE);
END
$$;

CREATE FUNCTION write_balance(p_account text, p_balance integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE accounts SET balance = p_balance WHERE id = p_account;
END
$$;

CREATE FUNCTION refund(p_account text, p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_new integer;
BEGIN
  v_new := read_balance(p_account) + p_amount;
  PERFORM write_balance(p_account, v_new);
  RETURN v_new;
END
$$;
