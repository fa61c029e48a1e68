-- about: the stale write hides two calls down
-- T0  a: refund -> credit -> read_balance -> 1000
-- T1  b: refund -> credit -> read_balance -> 1000
-- T2  a: write_balance 1300, COMMIT
-- T3  b: write_balance 1500, COMMIT: 300 are lost
-- verdict: serial_equivalence
-- needs: nested
-- setup: INSERT INTO accounts VALUES ('alice', 1000)
-- call: SELECT refund('j1', 'alice', 300)
-- call: SELECT refund('j2', 'alice', 500)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE refunds (job text PRIMARY KEY, amount integer NOT NULL);

CREATE FUNCTION read_balance(p_account text) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT balance FROM accounts WHERE id = p_account);
END
$$;

CREATE FUNCTION write_balance(p_account text, p_balance integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE accounts SET balance = p_balance WHERE id = p_account;
END
$$;

CREATE FUNCTION credit(p_account text, p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_new integer := read_balance(p_account) + p_amount;
BEGIN
  PERFORM write_balance(p_account, v_new);
  RETURN v_new;
END
$$;

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO refunds VALUES (p_job, p_amount);
  RETURN credit(p_account, p_amount);
END
$$;
