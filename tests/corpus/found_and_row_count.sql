-- about: FOUND, ROW_COUNT and notices steer a correct refund
-- safe: the UPDATE that takes the job out of processing decides, and only one worker's finds it there
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 4000)
-- setup: INSERT INTO jobs VALUES ('j1', 'alice', 'processing', 1000)
-- call: SELECT refund('j1')
-- call: SELECT refund('j1')

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, owner text NOT NULL, status text NOT NULL, amount integer NOT NULL);
CREATE TABLE audit (line text NOT NULL);

CREATE FUNCTION refund(p_job text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  n bigint;
  v_found boolean;
BEGIN
  PERFORM 1 FROM jobs WHERE id = p_job;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no job %', p_job USING ERRCODE = 'no_data_found', HINT = 'BEGIN; END;';
  END IF;
  UPDATE jobs SET status = 'failed' WHERE id = p_job AND status = 'processing';
  v_found := FOUND;
  GET DIAGNOSTICS n = ROW_COUNT;
  RAISE NOTICE 'job %: % row(s), found %', p_job, n, v_found;
  DELETE FROM audit WHERE line = 'none such';
  IF FOUND OR n <> v_found::integer THEN
    RAISE EXCEPTION 'FOUND or ROW_COUNT is not that of the last statement';
  END IF;
  IF NOT v_found THEN
    RETURN 'already refunded';
  END IF;
  UPDATE accounts a SET balance = a.balance + j.amount FROM jobs j WHERE j.id = p_job AND a.id = j.owner;
  INSERT INTO audit SELECT format('%s rows, found %s', n, v_found);
  RETURN 'refunded';
END
$$;
