-- about: the cursor locks nothing, and what it read is written back
-- T0  a: OPEN, FETCH -> remaining 100
-- T1  b: OPEN, FETCH -> remaining 100
-- T2  a: UPDATE remaining = 60, COMMIT
-- T3  b: UPDATE remaining = 60, COMMIT: 80 were taken, 40 are gone
-- verdict: serial_equivalence
-- needs: cursor
-- setup: INSERT INTO lots VALUES (1, 'alice', 100)
-- call: SELECT consume('alice', 40)
-- call: SELECT consume('alice', 40)

CREATE TABLE lots (id integer PRIMARY KEY, owner text NOT NULL, remaining integer NOT NULL);

CREATE FUNCTION consume(p_owner text, p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  c refcursor;
  v_id integer;
  v_remaining integer;
BEGIN
  OPEN c FOR SELECT id, remaining FROM lots WHERE owner = p_owner AND remaining >= p_amount ORDER BY id;
  FETCH c INTO v_id, v_remaining;
  IF NOT FOUND THEN
    CLOSE c;
    RETURN 0;
  END IF;
  UPDATE lots SET remaining = v_remaining - p_amount WHERE id = v_id;
  CLOSE c;
  RETURN p_amount;
END
$$;
