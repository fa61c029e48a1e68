-- about: the advisory lock is tried in the statement that looks, so the snapshot is older than the lock
-- T0  b: INSERT … takes its snapshot, and is slow
-- T1  a: the whole refund, COMMIT: the advisory lock is free again
-- T2  b: pg_try_advisory_xact_lock -> true, NOT EXISTS in the old snapshot -> true: pays again
-- verdict: serial_equivalence, paid_once
-- needs: overlap
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- call: SELECT refund('j1', 'alice', 100)
-- call: SELECT refund('j1', 'alice', 100)
-- invariant paid_once: SELECT job FROM refunds GROUP BY job HAVING count(*) > 1

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE refunds (job text NOT NULL, account text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO refunds SELECT p_job, p_account, p_amount
  WHERE pg_try_advisory_xact_lock(hashtext(p_job)) AND NOT EXISTS (SELECT FROM refunds r WHERE r.job = p_job);
  IF NOT FOUND THEN
    RETURN 'refunded, or busy';
  END IF;
  UPDATE accounts SET balance = balance + p_amount WHERE id = p_account;
  RETURN 'refunded';
END
$$;
