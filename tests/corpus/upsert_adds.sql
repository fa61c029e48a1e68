-- about: a wallet is made or added to by ON CONFLICT DO UPDATE
-- safe: DO UPDATE locks the row and adds to its newest version
-- verdict: pass
-- call: SELECT credit('alice', 10)
-- call: SELECT credit('alice', 20)

CREATE TABLE wallets (owner text PRIMARY KEY, balance integer NOT NULL);

CREATE FUNCTION credit(p_owner text, p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_balance integer;
BEGIN
  INSERT INTO wallets AS w VALUES (p_owner, p_amount)
  ON CONFLICT (owner) DO UPDATE SET balance = w.balance + excluded.balance
  RETURNING w.balance INTO v_balance;
  RETURN v_balance;
END
$$;
