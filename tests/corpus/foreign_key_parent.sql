-- about: the foreign key locks the parent FOR KEY SHARE, and FOR UPDATE of the same parent comes after it
-- T0  a: INSERT INTO charges: users row locked FOR KEY SHARE
-- T1  b: INSERT INTO charges: the same, both hold it
-- T2  a: SELECT … FOR UPDATE waits for b
-- T3  b: SELECT … FOR UPDATE waits for a: deadlock
-- verdict: deadlock
-- setup: INSERT INTO users VALUES (1, 100)
-- call: SELECT charge(1, 30)
-- call: SELECT charge(1, 40)

CREATE TABLE users (id integer PRIMARY KEY, credit integer NOT NULL);
CREATE TABLE charges (user_id integer NOT NULL REFERENCES users, amount integer NOT NULL);

CREATE FUNCTION charge(p_user integer, p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_credit integer;
BEGIN
  INSERT INTO charges VALUES (p_user, p_amount);
  SELECT credit INTO v_credit FROM users WHERE id = p_user FOR UPDATE;
  UPDATE users SET credit = v_credit - p_amount WHERE id = p_user;
  RETURN v_credit - p_amount;
END
$$;
