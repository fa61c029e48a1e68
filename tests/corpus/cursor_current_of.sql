-- about: a cursor FOR UPDATE, and updates of the row it stands on
-- safe: each row is locked by FETCH before it is read
-- verdict: pass
-- needs: cursor
-- setup: INSERT INTO lots VALUES (1, 'alice', 30), (2, 'alice', 50)
-- call: SELECT consume('alice', 40)
-- call: SELECT consume('alice', 40)
-- invariant overdrawn: SELECT id FROM lots WHERE remaining < 0

CREATE TABLE lots (id integer PRIMARY KEY, owner text NOT NULL, remaining integer NOT NULL);

CREATE FUNCTION consume(p_owner text, p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  c CURSOR (o text) FOR SELECT id, remaining FROM lots WHERE owner = o AND remaining > 0 ORDER BY id FOR UPDATE;
  r record;
  v_rest integer := p_amount;
BEGIN
  OPEN c(p_owner);
  LOOP
    FETCH c INTO r;
    EXIT WHEN NOT FOUND OR v_rest = 0;
    UPDATE lots SET remaining = r.remaining - least(v_rest, r.remaining) WHERE CURRENT OF c;
    v_rest := v_rest - least(v_rest, r.remaining);
  END LOOP;
  CLOSE c;
  RETURN p_amount - v_rest;
END
$$;
