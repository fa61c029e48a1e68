-- about: when the refund errs, the worker's fallback marks the job failed without paying, and no retry will pay it
-- T0  a: refund of j1 locks alice's account
-- T1  b: refund of j2 (alice's, too): NOWAIT -> 55P03, caught
-- T2  b: UPDATE jobs SET status = 'failed', COMMIT: nothing was paid
-- verdict: serial_equivalence, failed_means_paid
-- setup: INSERT INTO accounts VALUES ('alice', 3000)
-- setup: INSERT INTO jobs VALUES ('j1', 'alice', 'processing', 1000), ('j2', 'alice', 'processing', 500)
-- call: SELECT refund('j1')
-- call: SELECT refund('j2')
-- invariant failed_means_paid: SELECT id FROM jobs j
--   WHERE status = 'failed' AND NOT EXISTS (SELECT FROM refunds r WHERE r.job = j.id)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, owner text NOT NULL, status text NOT NULL, amount integer NOT NULL);
CREATE TABLE refunds (job text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_job jobs;
BEGIN
  SELECT * INTO v_job FROM jobs WHERE id = p_job AND status = 'processing' FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 'nothing to refund';
  END IF;
  BEGIN
    PERFORM 1 FROM accounts WHERE id = v_job.owner FOR UPDATE NOWAIT;
    UPDATE accounts SET balance = balance + v_job.amount WHERE id = v_job.owner;
    INSERT INTO refunds VALUES (p_job, v_job.amount);
  EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'refund of % failed: %', p_job, SQLERRM;
  END;
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
  RETURN 'done';
END
$$;
