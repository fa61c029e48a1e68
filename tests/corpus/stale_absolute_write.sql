-- about: two refunds of one user; the second writes a balance that it computed from what it read before the first
-- T0  a: SELECT balance -> 1000
-- T1  b: SELECT balance -> 1000
-- T2  a: UPDATE balance = 1300, COMMIT
-- T3  b: UPDATE balance = 1500, COMMIT: 300 are lost
-- verdict: serial_equivalence, balance_matches
-- setup: INSERT INTO balances VALUES ('alice', 1000)
-- call: SELECT refund('alice', 300)
-- call: SELECT refund('alice', 500)
-- invariant balance_matches: SELECT user_id FROM balances b
--   WHERE balance <> 1000 + (SELECT coalesce(sum(amount), 0) FROM entries e WHERE e.user_id = b.user_id)

CREATE TABLE balances (user_id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE entries (
  user_id text NOT NULL, amount integer NOT NULL, balance_before integer NOT NULL, balance_after integer NOT NULL);

CREATE FUNCTION refund(p_user text, p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_before integer;
  v_after integer;
BEGIN
  SELECT balance INTO v_before FROM balances WHERE user_id = p_user;
  v_after := v_before + p_amount;
  UPDATE balances SET balance = v_after WHERE user_id = p_user;
  INSERT INTO entries VALUES (p_user, p_amount, v_before, v_after);
  RETURN v_after;
END
$$;
