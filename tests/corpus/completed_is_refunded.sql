-- about: only "failed" turns a refund away, so a completed job is refunded: no race is needed
-- T0  a: complete('j1'), COMMIT
-- T1  b: refund('j1'): status is not failed, pays
-- verdict: serially: completed_means_unpaid
-- setup: INSERT INTO accounts VALUES ('alice', 0)
-- setup: INSERT INTO jobs VALUES ('j1', 'processing', NULL)
-- call: SELECT complete('j1', 'a story')
-- call: SELECT refund('j1', 'alice', 100)
-- invariant completed_means_unpaid: SELECT id FROM jobs
--   WHERE result IS NOT NULL AND EXISTS (SELECT FROM accounts WHERE balance > 0)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, status text NOT NULL, result text);

CREATE FUNCTION complete(p_job text, p_result text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM jobs WHERE id = p_job FOR UPDATE;
  UPDATE jobs SET status = 'completed', result = p_result WHERE id = p_job AND status = 'processing';
END
$$;

CREATE FUNCTION refund(p_job text, p_account text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT status FROM jobs WHERE id = p_job FOR UPDATE) = 'failed' THEN
    RETURN false;
  END IF;
  UPDATE accounts SET balance = balance + p_amount WHERE id = p_account;
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
  RETURN true;
END
$$;
