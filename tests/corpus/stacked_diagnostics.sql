-- about: a duplicate is logged with what GET STACKED DIAGNOSTICS says, line numbers included
-- safe: the unique key decides; the block's rollback takes the payment of the one who loses
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- call: SELECT refund('j1', 'alice', 100)
-- call: SELECT refund('j1', 'alice', 100)
-- invariant balance_matches: SELECT id FROM accounts a
--   WHERE balance <> (SELECT coalesce(sum(amount), 0) FROM refunds r WHERE r.account = a.id)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE refunds (job text CONSTRAINT one_refund PRIMARY KEY, account text NOT NULL, amount integer NOT NULL);
CREATE TABLE errors (state text, constraint_name text, message text, context text);

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v errors;
BEGIN
  BEGIN
    UPDATE accounts SET balance = balance + p_amount WHERE id = p_account;
    INSERT INTO refunds VALUES (p_job, p_account, p_amount);
    RETURN 'refunded';
  EXCEPTION
    WHEN SQLSTATE '23505' THEN
      GET STACKED DIAGNOSTICS v.state = RETURNED_SQLSTATE, v.constraint_name = CONSTRAINT_NAME,
        v.message = MESSAGE_TEXT, v.context = PG_EXCEPTION_CONTEXT;
      INSERT INTO errors SELECT v.*;
      RETURN 'already refunded: ' || SQLSTATE || ' ' || SQLERRM;
  END;
END
$$;
