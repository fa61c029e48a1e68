-- about: SECURITY DEFINER, its own search_path, called by a role that may not touch the tables; correct
-- safe: the job is locked before its status is read
-- verdict: pass
-- needs: role
-- role: service_role
-- setup: INSERT INTO billing.accounts VALUES ('alice', 4000)
-- setup: INSERT INTO billing.jobs VALUES ('j1', 'alice', 'processing', 1000)
-- call: SELECT billing.refund('j1')
-- call: SELECT billing.refund('j1')

CREATE SCHEMA billing;
CREATE TABLE billing.accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE billing.jobs (id text PRIMARY KEY, owner text NOT NULL, status text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION billing.refund(p_job text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = billing, pg_temp AS $$
DECLARE
  v_job jobs;
BEGIN
  SELECT * INTO v_job FROM jobs WHERE id = p_job FOR UPDATE;
  IF v_job.status <> 'processing' THEN
    RETURN 'refused, said ' || current_user;
  END IF;
  UPDATE accounts SET balance = balance + v_job.amount WHERE id = v_job.owner;
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
  RETURN 'refunded for ' || session_user;
END
$$;
REVOKE ALL ON FUNCTION billing.refund(text) FROM PUBLIC;
GRANT USAGE ON SCHEMA billing TO service_role;
GRANT EXECUTE ON FUNCTION billing.refund(text) TO service_role;
