-- about: the job is locked before its status is read, so the second worker reads what the first has written
-- safe: SELECT … FOR UPDATE waits for the first worker's commit and then returns the row's newest version
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 4000)
-- setup: INSERT INTO jobs VALUES ('j1', 'alice', 'processing', 1000)
-- call: SELECT refund('j1')
-- call: SELECT refund('j1')
-- invariant paid_once: SELECT job FROM refunds GROUP BY job HAVING count(*) > 1

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, owner text NOT NULL, status text NOT NULL, amount integer NOT NULL);
CREATE TABLE refunds (job text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_job jobs%ROWTYPE;
BEGIN
  SELECT * INTO v_job FROM jobs WHERE id = p_job FOR UPDATE;
  IF NOT FOUND THEN
    RETURN jsonb_build_object('success', false, 'error', 'Job not found');
  END IF;
  IF v_job.status <> 'processing' THEN
    RETURN jsonb_build_object('success', false, 'error', 'Job already failed and refunded');
  END IF;
  UPDATE accounts SET balance = balance + v_job.amount WHERE id = v_job.owner;
  INSERT INTO refunds VALUES (p_job, v_job.amount);
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
  RETURN jsonb_build_object('success', true, 'refunded', true);
END
$$;
