-- about: meeting rooms, booked for a span of time; an exclusion constraint stands behind the function
-- expect: pass
-- why: two bookings of one room that overlap cannot both be committed, whoever asks first.

CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE SCHEMA rooms;
SET search_path = rooms, public;

CREATE TABLE room (room_no smallint PRIMARY KEY, seats smallint NOT NULL CHECK (seats BETWEEN 1 AND 40));
CREATE TABLE booking (
    booking_id  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    room_no     smallint NOT NULL REFERENCES room,
    during      tstzrange NOT NULL,
    booked_by   text NOT NULL,
    EXCLUDE USING gist (room_no WITH =, during WITH &&),
    CHECK (NOT isempty(during))
);

CREATE FUNCTION book(which smallint, span tstzrange, who text) RETURNS boolean LANGUAGE plpgsql
SET search_path = rooms, public AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM room r WHERE r.room_no = which) THEN
        RAISE EXCEPTION 'room % does not exist', which;
    END IF;
    INSERT INTO booking (room_no, during, booked_by) VALUES (which, span, who);
    RETURN true;
EXCEPTION WHEN exclusion_violation THEN
    RETURN false;
END $$;
