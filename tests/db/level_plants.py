"""Functions that are right at one isolation level and wrong at another."""

from __future__ import annotations

GO_HOME = """\
-- Write skew. T0 both count two doctors on call, T1 one goes home, T2 so does the other: nobody is on call. Each has
-- written a row that the other one only read, so that no snapshot and no row lock is in the way.
CREATE TABLE doctors (id integer PRIMARY KEY, on_call boolean NOT NULL);
CREATE FUNCTION go_home(p_id integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT count(*) FROM doctors WHERE on_call) < 2 THEN
    RETURN 'stay';
  END IF;
  UPDATE doctors SET on_call = false WHERE id = p_id;
  RETURN 'gone';
END $$;
"""
ON_CALL = "SELECT 'nobody' AS on_call WHERE NOT EXISTS (SELECT FROM doctors WHERE on_call)"
WRITE_SKEW = """\
version: 1
name: write_skew
install: [go_home.sql]
setup: [DELETE FROM doctors, "INSERT INTO doctors VALUES (1, true), (2, true)"]
workers:
  a: {statements: [SELECT go_home(1)]}
  b: {statements: [SELECT go_home(2)]}
invariants: [somebody_on_call.sql]
"""

ADD_ONE = """\
-- Lost update. T0 both read 0, T1 one writes 1, T2 the other writes 1 as well; under a snapshot that is refused.
CREATE TABLE counter (id integer PRIMARY KEY, n integer NOT NULL);
CREATE FUNCTION add_one() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE v integer;
BEGIN
  SELECT n INTO v FROM counter WHERE id = 1;
  UPDATE counter SET n = v + 1 WHERE id = 1;
  RETURN v + 1;
END $$;
"""
LOST_UPDATE = """\
version: 1
name: lost_update
install: [add_one.sql]
setup: [DELETE FROM counter, "INSERT INTO counter VALUES (1, 0)"]
workers:
  a: {statements: [SELECT add_one()]}
  b: {statements: [SELECT add_one()]}
"""

BOOK = """\
-- A snapshot before the lock. Callers queue at an advisory lock, and at READ COMMITTED the next statement sees what the
-- one before them did. Where the transaction has one snapshot it was taken before they queued: T0 the first takes the
-- lock, T1 the second asks for it, T2 the first books and commits, T3 the second has the lock, and sees no booking.
CREATE TABLE bookings (seat integer NOT NULL);
CREATE FUNCTION book() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(4711);
  IF EXISTS (SELECT FROM bookings WHERE seat = 1) THEN
    RETURN 'taken';
  END IF;
  INSERT INTO bookings VALUES (1);
  RETURN 'booked';
END $$;
"""
OLD_SNAPSHOT = """\
version: 1
name: old_snapshot
install: [book.sql]
setup: [DELETE FROM bookings]
workers:
  a: {statements: [SELECT book()]}
  b: {statements: [SELECT book()]}
"""

FILES = {
    "go_home.sql": GO_HOME,
    "somebody_on_call.sql": ON_CALL,
    "add_one.sql": ADD_ONE,
    "book.sql": BOOK,
    "write_skew.yaml": WRITE_SKEW,
    "lost_update.yaml": LOST_UPDATE,
    "old_snapshot.yaml": OLD_SNAPSHOT,
}
