-- about: payment and refund row stand in the same block, so the unique violation undoes both
-- safe: the block's rollback takes the payment back with the row
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- call: SELECT refund('j1', 'alice', 100)
-- call: SELECT refund('j1', 'alice', 100)
-- invariant balance_matches: SELECT id FROM accounts a
--   WHERE balance <> (SELECT coalesce(sum(amount), 0) FROM refunds r WHERE r.account = a.id)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE refunds (job text PRIMARY KEY, account text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  BEGIN
    UPDATE accounts SET balance = balance + p_amount WHERE id = p_account;
    INSERT INTO refunds VALUES (p_job, p_account, p_amount);
  EXCEPTION WHEN unique_violation THEN
    RETURN 'already refunded';
  END;
  RETURN 'refunded';
END
$$;
