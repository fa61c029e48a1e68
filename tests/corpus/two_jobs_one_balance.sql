-- about: two refunds of one user, the balance locked before it is read, each with its own ledger row
-- safe: FOR UPDATE makes the second wait and read the first one's balance, so the ledger rows chain
-- verdict: pass
-- setup: INSERT INTO balances VALUES ('alice', 1000)
-- call: SELECT refund('alice', 300)
-- call: SELECT refund('alice', 500)
-- invariant chain_broken: SELECT e.seq FROM entries e WHERE e.balance_before <>
--   coalesce((SELECT p.balance_after FROM entries p WHERE p.seq < e.seq ORDER BY p.seq DESC LIMIT 1), 1000)

CREATE TABLE balances (user_id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE entries (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  user_id text NOT NULL, amount integer NOT NULL, balance_before integer NOT NULL, balance_after integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now());

CREATE FUNCTION refund(p_user text, p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_before integer;
BEGIN
  SELECT balance INTO v_before FROM balances WHERE user_id = p_user FOR UPDATE;
  UPDATE balances SET balance = v_before + p_amount WHERE user_id = p_user;
  INSERT INTO entries (user_id, amount, balance_before, balance_after)
  VALUES (p_user, p_amount, v_before, v_before + p_amount);
  RETURN v_before + p_amount;
END
$$;
