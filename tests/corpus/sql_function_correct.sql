-- about: an SQL-language function that takes the job in the statement that pays
-- safe: the UPDATE of jobs waits and looks at status again; no row, no payment
-- verdict: pass
-- needs: sql_function
-- setup: INSERT INTO accounts VALUES ('alice', 4000)
-- setup: INSERT INTO jobs VALUES ('j1', 'alice', 'processing', 1000)
-- call: SELECT refund('j1')
-- call: SELECT refund('j1')

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, owner text NOT NULL, status text NOT NULL, amount integer NOT NULL);
CREATE TABLE log (job text NOT NULL);

CREATE FUNCTION refund(p_job text) RETURNS bigint LANGUAGE sql AS $$
  WITH mine AS (
    UPDATE jobs SET status = 'failed' WHERE id = p_job AND status = 'processing' RETURNING owner, amount
  )
  UPDATE accounts a SET balance = a.balance + mine.amount FROM mine WHERE a.id = mine.owner;
  INSERT INTO log VALUES (p_job);
  SELECT count(*) FROM log WHERE job = p_job
$$;
