-- about: tickets of an event with a capacity; a schema without a single row
-- expect: violation serial_equivalence
-- why: what is left is read without a lock, so two buyers both find the last tickets.

CREATE EXTENSION IF NOT EXISTS pgcrypto;

CREATE TYPE event_status AS ENUM ('draft', 'on_sale', 'sold_out', 'cancelled');

CREATE TABLE events (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    title      varchar(80) NOT NULL,
    starts_at  timestamptz NOT NULL,
    status     event_status NOT NULL DEFAULT 'draft',
    capacity   integer NOT NULL CHECK (capacity > 0),
    sold       integer NOT NULL DEFAULT 0
);

CREATE TABLE tickets (
    id          bigserial PRIMARY KEY,
    event_id    uuid NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    buyer_email text NOT NULL CHECK (buyer_email LIKE '%@%'),
    quantity    integer NOT NULL,
    bought_at   timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION buy_tickets(p_event_id uuid, p_buyer_email text, p_quantity integer)
RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    v_event  events%ROWTYPE;
    v_ticket bigint;
BEGIN
    IF p_quantity < 1 THEN
        RAISE EXCEPTION 'quantity must be positive';
    END IF;

    SELECT * INTO v_event FROM events WHERE id = p_event_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such event';
    END IF;
    IF v_event.status <> 'on_sale' THEN
        RAISE EXCEPTION 'event is not on sale';
    END IF;
    IF v_event.sold + p_quantity > v_event.capacity THEN
        RAISE EXCEPTION 'sold out';
    END IF;

    INSERT INTO tickets (event_id, buyer_email, quantity)
    VALUES (p_event_id, p_buyer_email, p_quantity)
    RETURNING id INTO v_ticket;

    UPDATE events SET sold = sold + p_quantity WHERE id = p_event_id;
    RETURN v_ticket;
END;
$$;
