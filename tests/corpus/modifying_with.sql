-- about: one statement takes the job, pays, and writes the ledger row, by data-modifying WITH
-- safe: the UPDATE of jobs waits and looks at status again; without its row the rest does nothing
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 4000)
-- setup: INSERT INTO jobs VALUES ('j1', 'alice', 'processing', 1000)
-- call: SELECT refund('j1')
-- call: SELECT refund('j1')
-- invariant paid_once: SELECT job FROM refunds GROUP BY job HAVING count(*) > 1

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, owner text NOT NULL, status text NOT NULL, amount integer NOT NULL);
CREATE TABLE refunds (job text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_balance integer;
BEGIN
  WITH mine AS (
    UPDATE jobs SET status = 'failed' WHERE id = p_job AND status = 'processing' RETURNING id, owner, amount
  ), noted AS (
    INSERT INTO refunds SELECT id, amount FROM mine RETURNING job
  )
  UPDATE accounts a SET balance = a.balance + mine.amount FROM mine, noted
  WHERE a.id = mine.owner AND noted.job = mine.id RETURNING a.balance INTO v_balance;
  RETURN v_balance;
END
$$;
