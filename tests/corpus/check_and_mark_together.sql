-- about: the same two functions, in one client transaction
-- safe: the lock that pay takes lasts until COMMIT, so the second worker sees the job marked
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 4000)
-- setup: INSERT INTO jobs VALUES ('j1', 'alice', 'processing', 1000)
-- call: BEGIN; SELECT pay('j1'); SELECT mark('j1'); COMMIT
-- call: BEGIN; SELECT pay('j1'); SELECT mark('j1'); COMMIT

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, owner text NOT NULL, status text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION pay(p_job text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_job jobs;
BEGIN
  SELECT * INTO v_job FROM jobs WHERE id = p_job AND status = 'processing' FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE accounts SET balance = balance + v_job.amount WHERE id = v_job.owner;
  RETURN true;
END
$$;

CREATE FUNCTION mark(p_job text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
END
$$;
