-- about: the money is paid before the row whose unique key would have told, and the error is swallowed
-- T0  a: EXISTS -> no
-- T1  b: EXISTS -> no
-- T2  a: UPDATE accounts, INSERT INTO refunds, COMMIT
-- T3  b: UPDATE accounts, INSERT INTO refunds -> 23505, caught: the payment stands
-- verdict: serial_equivalence, balance_matches
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- call: SELECT refund('j1', 'alice', 100)
-- call: SELECT refund('j1', 'alice', 100)
-- invariant balance_matches: SELECT id FROM accounts a
--   WHERE balance <> (SELECT coalesce(sum(amount), 0) FROM refunds r WHERE r.account = a.id)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE refunds (job text PRIMARY KEY, account text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM refunds WHERE job = p_job) THEN
    RETURN 'already refunded';
  END IF;
  UPDATE accounts SET balance = balance + p_amount WHERE id = p_account;
  BEGIN
    INSERT INTO refunds VALUES (p_job, p_account, p_amount);
  EXCEPTION WHEN unique_violation THEN
    RETURN 'already refunded';
  END;
  RETURN 'refunded';
END
$$;
