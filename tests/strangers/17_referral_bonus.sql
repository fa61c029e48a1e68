-- about: a bonus for who refers and who is referred, once per person, and never in a circle; dynamic SQL
-- call: SELECT app.apply_referral(1, 2)
-- call: SELECT app.apply_referral(2, 1)
-- call: SELECT app.apply_referral(3, 2)
-- invariant no_circle: SELECT a.id FROM app.users a JOIN app.users b ON a.referred_by = b.id AND b.referred_by = a.id
-- expect: pass
-- why: both users are locked, lower id first, before anything is asked of them.

CREATE SCHEMA app;
CREATE TABLE app.users (
  id           int PRIMARY KEY,
  name         text NOT NULL UNIQUE,
  referred_by  int REFERENCES app.users,
  credits      int NOT NULL DEFAULT 0
);
COMMENT ON COLUMN app.users.credits IS 'in cents; never set by hand';
INSERT INTO app.users (id, name) VALUES (1, 'ann'), (2, 'bob'), (3, 'cy');

CREATE FUNCTION app.give(tbl regclass, who int, cents int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('UPDATE %s SET credits = credits + $1 WHERE id = $2', tbl) USING cents, who;
END $$;

CREATE FUNCTION app.apply_referral(referrer int, referred int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  r app.users; d app.users;
BEGIN
  IF referrer = referred THEN RETURN 'self'; END IF;

  PERFORM id FROM app.users WHERE id IN (referrer, referred) ORDER BY id FOR UPDATE;

  SELECT * INTO r FROM app.users WHERE id = referrer;
  SELECT * INTO d FROM app.users WHERE id = referred;
  IF d.referred_by IS NOT NULL THEN RETURN 'already referred'; END IF;
  IF r.referred_by = referred  THEN RETURN 'circle'; END IF;

  UPDATE app.users SET referred_by = referrer WHERE id = referred;
  PERFORM app.give('app.users', referrer, 500), app.give('app.users', referred, 200);
  RETURN 'ok';
END $$;
