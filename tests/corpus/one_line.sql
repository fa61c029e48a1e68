-- about: the whole body stands on one line, several statements beside each other
-- T0  a: SELECT points -> 100
-- T1  b: SELECT points -> 100
-- T2  a: UPDATE, INSERT, COMMIT; b: UPDATE, INSERT, COMMIT: -100
-- verdict: serial_equivalence, overspent
-- setup: INSERT INTO points VALUES ('alice', 100)
-- call: SELECT spend_points('alice', 100)
-- call: SELECT spend_points('alice', 100)
-- invariant overspent: SELECT member FROM points WHERE points < 0

CREATE TABLE points (member text PRIMARY KEY, points integer NOT NULL);
CREATE TABLE rewards (member text NOT NULL, points integer NOT NULL);

CREATE FUNCTION spend_points(m text, n integer) RETURNS boolean LANGUAGE plpgsql AS
'DECLARE p integer; BEGIN SELECT points INTO p FROM points WHERE member = m; IF p < n THEN RETURN false; END IF; UPDATE points SET points = points - n WHERE member = m; /* paid; */ INSERT INTO rewards VALUES (m, n); RETURN FOUND; END';
