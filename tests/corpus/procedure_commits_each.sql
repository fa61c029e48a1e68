-- about: a procedure pays one job per transaction, each locked and looked at in the transaction that pays it
-- safe: the list may be old, but every job is locked and its status read again before it is paid
-- verdict: pass
-- needs: procedure
-- setup: INSERT INTO accounts VALUES ('alice', 0), ('bob', 0)
-- setup: INSERT INTO jobs VALUES ('j1', 'alice', 'processing', 10), ('j2', 'bob', 'processing', 20)
-- call: CALL refund_all()
-- call: CALL refund_all()

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, owner text NOT NULL, status text NOT NULL, amount integer NOT NULL);

CREATE PROCEDURE refund_all() LANGUAGE plpgsql AS $$
DECLARE
  v_id text;
  v_job jobs;
BEGIN
  FOR v_id IN SELECT id FROM jobs WHERE status = 'processing' ORDER BY id LOOP
    SELECT * INTO v_job FROM jobs WHERE id = v_id AND status = 'processing' FOR UPDATE;
    IF FOUND THEN
      UPDATE accounts SET balance = balance + v_job.amount WHERE id = v_job.owner;
      UPDATE jobs SET status = 'failed' WHERE id = v_id;
    END IF;
    COMMIT;
  END LOOP;
END
$$;
