-- about: MERGE adds to a wallet or makes it
-- safe: a wallet that exists is looked at again after a wait; of two that make it one is refused with 23505
-- verdict: pass
-- needs: pg15
-- setup: INSERT INTO wallets VALUES ('alice', 100)
-- call: SELECT credit('alice', 10); SELECT credit('bob', 1)
-- call: SELECT credit('alice', 20); SELECT credit('bob', 2)

CREATE TABLE wallets (owner text PRIMARY KEY, balance integer NOT NULL);

CREATE FUNCTION credit(p_owner text, p_amount integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  MERGE INTO wallets w USING (VALUES (p_owner, p_amount)) AS n (owner, amount) ON w.owner = n.owner
  WHEN MATCHED THEN UPDATE SET balance = w.balance + n.amount
  WHEN NOT MATCHED THEN INSERT VALUES (n.owner, n.amount);
END
$$;
