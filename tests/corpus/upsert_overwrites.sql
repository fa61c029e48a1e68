-- about: ON CONFLICT DO UPDATE with a sum that was computed from an earlier read
-- T0  a: SELECT balance -> no row, 0
-- T1  b: SELECT balance -> no row, 0
-- T2  a: INSERT 10, COMMIT
-- T3  b: ON CONFLICT DO UPDATE SET balance = 20, COMMIT: 10 are lost
-- verdict: serial_equivalence
-- call: SELECT credit('alice', 10)
-- call: SELECT credit('alice', 20)

CREATE TABLE wallets (owner text PRIMARY KEY, balance integer NOT NULL);

CREATE FUNCTION credit(p_owner text, p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_balance integer;
BEGIN
  SELECT w.balance INTO v_balance FROM wallets w WHERE w.owner = p_owner;
  v_balance := coalesce(v_balance, 0) + p_amount;
  INSERT INTO wallets VALUES (p_owner, v_balance)
  ON CONFLICT (owner) DO UPDATE SET balance = excluded.balance;
  RETURN v_balance;
END
$$;
