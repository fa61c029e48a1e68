-- about: the weaker lock FOR NO KEY UPDATE is strong enough, and lets rows that refer to the user be inserted
-- safe: FOR NO KEY UPDATE conflicts with itself, so the charges of one user run one after the other; the foreign key's
--   FOR KEY SHARE does not conflict with it, so nobody closes a circle
-- verdict: pass
-- setup: INSERT INTO users VALUES (1, 100)
-- call: SELECT charge(1, 60)
-- call: SELECT charge(1, 60)
-- serial_error: P0001
-- invariant overdrawn: SELECT id FROM users WHERE credit < 0

CREATE TABLE users (id integer PRIMARY KEY, credit integer NOT NULL);
CREATE TABLE charges (user_id integer NOT NULL REFERENCES users, amount integer NOT NULL);

CREATE FUNCTION charge(p_user integer, p_amount integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_credit integer;
BEGIN
  INSERT INTO charges VALUES (p_user, p_amount);
  SELECT credit INTO v_credit FROM users WHERE id = p_user FOR NO KEY UPDATE;
  IF v_credit < p_amount THEN
    RAISE EXCEPTION 'credit of user % is only %', p_user, v_credit;
  END IF;
  UPDATE users SET credit = v_credit - p_amount WHERE id = p_user;
  RETURN 'charged';
END
$$;
