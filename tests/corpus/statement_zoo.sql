-- about: kinds of statements that other cases lack: FOREACH, FOR … IN EXECUTE, FOR over a cursor, RETURN NEXT, ASSERT
-- safe: all accounts are locked in the order of their ids before anything is read
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 100), ('bob', 50), ('carol', 0)
-- call: SELECT * FROM share_out(ARRAY['alice', 'bob', 'nobody'], 30)
-- call: SELECT * FROM share_out(ARRAY['carol', 'alice'], 20)
-- invariant log_wrong: SELECT 1 WHERE (SELECT sum(balance) FROM accounts) <> 150 + (SELECT sum(amount) FROM log)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE log (account text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION share_out(p_ids text[], p_amount integer) RETURNS SETOF accounts LANGUAGE plpgsql AS $$
DECLARE
  locking CURSOR FOR SELECT * FROM accounts ORDER BY id FOR UPDATE;
  v_id text;
  v_row accounts;
  r record;
  v_done text[] := '{}';
BEGIN
  FOR r IN locking LOOP CONTINUE WHEN r.balance < 0; END LOOP;
  FOREACH v_id IN ARRAY p_ids LOOP
    BEGIN
      SELECT * INTO STRICT v_row FROM accounts WHERE id = v_id;
    EXCEPTION
      WHEN no_data_found THEN CONTINUE;
      WHEN too_many_rows THEN RAISE;
    END;
    FOR r IN UPDATE accounts SET balance = balance + p_amount WHERE id = v_id RETURNING id, balance LOOP
      ASSERT r.balance = v_row.balance + p_amount, 'BEGIN; END; somebody else wrote ' || r.id;
      v_done := v_done || r.id;
    END LOOP;
    INSERT INTO log (account, amount) VALUES (v_id, p_amount);
  END LOOP;
  FOR r IN EXECUTE 'SELECT a.* FROM accounts a WHERE a.id = ANY ($1) ORDER BY a.id' USING v_done LOOP
    v_row := r;
    RETURN NEXT v_row;
  END LOOP;
  FOR i IN REVERSE 2..1 LOOP NULL; END LOOP;
  RETURN QUERY EXECUTE 'SELECT * FROM accounts WHERE false';
END
$$;
