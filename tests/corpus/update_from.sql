-- about: UPDATE … FROM: who waited looks at the updated table's row again, but takes the joined row as it was
-- T0  a: UPDATE accounts FROM jobs WHERE status = 'processing'
-- T1  b: the same, waits for a's account row
-- T2  a: UPDATE jobs, COMMIT
-- T3  b: the account's newest row with the job's old one, still processing: pays again
-- verdict: serial_equivalence
-- setup: INSERT INTO accounts VALUES ('alice', 4000)
-- setup: INSERT INTO jobs VALUES ('j1', 'alice', 'processing', 1000)
-- call: SELECT refund('j1')
-- call: SELECT refund('j1')

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, owner text NOT NULL, status text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE accounts a SET balance = a.balance + j.amount
  FROM jobs j WHERE j.id = p_job AND j.status = 'processing' AND a.id = j.owner;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
  RETURN true;
END
$$;
