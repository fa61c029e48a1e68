-- about: default, named and OUT arguments; correct
-- safe: the account is locked before it is read
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 100)
-- call: SELECT * FROM debit(p_account => 'alice')
-- call: SELECT * FROM debit('alice', p_amounts => ARRAY[30, 40])
-- invariant overdrawn: SELECT id FROM accounts WHERE balance < 0

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE debits (account text NOT NULL, reason text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION debit(
  IN p_account text, p_reason text DEFAULT 'END; -- reason', p_amounts integer[] DEFAULT ARRAY[70],
  OUT ok boolean, OUT balance_left integer
) LANGUAGE plpgsql AS $$
DECLARE
  v_sum integer := (SELECT sum(a) FROM unnest(p_amounts) AS a);
BEGIN
  SELECT a.balance INTO balance_left FROM accounts a WHERE a.id = p_account FOR UPDATE;
  ok := balance_left >= v_sum;
  IF ok THEN
    UPDATE accounts a SET balance = a.balance - v_sum WHERE a.id = p_account RETURNING a.balance INTO balance_left;
    INSERT INTO debits SELECT p_account, p_reason, a FROM unnest(p_amounts) AS a;
  END IF;
END
$$;
