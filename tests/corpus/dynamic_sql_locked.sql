-- about: the dynamic query locks, and its row count is read
-- safe: EXECUTE … FOR UPDATE waits as the plain statement does; GET DIAGNOSTICS tells what the UPDATE found
-- verdict: pass
-- needs: dynamic
-- setup: INSERT INTO accounts VALUES ('alice', 4000)
-- setup: INSERT INTO jobs_2024 VALUES ('j1', 'alice', 'processing', 1000)
-- call: SELECT refund('jobs_2024', 'j1')
-- call: SELECT refund('jobs_2024', 'j1')

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs_2024 (id text PRIMARY KEY, owner text NOT NULL, status text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_table text, p_job text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_job record;
  n integer;
BEGIN
  EXECUTE format('SELECT owner, amount FROM %I WHERE id = $1 FOR UPDATE', p_table) INTO STRICT v_job USING p_job;
  EXECUTE format('UPDATE %I SET status = $1 WHERE id = $2 AND status <> $1', p_table) USING 'failed', p_job;
  GET DIAGNOSTICS n = ROW_COUNT;
  IF n = 0 THEN
    RETURN 'already refunded';
  END IF;
  UPDATE accounts SET balance = balance + v_job.amount WHERE id = v_job.owner;
  RETURN 'refunded';
END
$$;
