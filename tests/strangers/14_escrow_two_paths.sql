-- about: escrow: the buyer confirms while support refunds; one path was hardened, the other was not
-- call: SELECT escrow.release(1)
-- call: SELECT escrow.refund(1)
-- invariant one_way_only: SELECT sum(balance) FROM escrow.accounts HAVING sum(balance) > 800
-- expect: violation serial_equivalence
-- why: refund() checks the state without a lock and does not repeat the check in its UPDATE, so it refunds what release() has paid out meanwhile.

CREATE SCHEMA escrow;

CREATE TABLE escrow.accounts (name text PRIMARY KEY, balance integer NOT NULL DEFAULT 0);
CREATE TABLE escrow.deals (
    id integer PRIMARY KEY,
    buyer text NOT NULL REFERENCES escrow.accounts (name),
    seller text NOT NULL REFERENCES escrow.accounts (name),
    amount integer NOT NULL,
    state text NOT NULL CHECK (state IN ('held', 'released', 'refunded'))
);

INSERT INTO escrow.accounts VALUES ('buyer', 0), ('seller', 0);
INSERT INTO escrow.deals VALUES (1, 'buyer', 'seller', 800, 'held');

-- 2023-03: fixed, see incident 112
CREATE FUNCTION escrow.release(deal_id integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    d escrow.deals;
BEGIN
    UPDATE escrow.deals SET state = 'released' WHERE id = deal_id AND state = 'held' RETURNING * INTO d;
    IF d.id IS NULL THEN
        RETURN false;
    END IF;
    UPDATE escrow.accounts SET balance = balance + d.amount WHERE name = d.seller;
    RETURN true;
END;
$$;

CREATE FUNCTION escrow.refund(deal_id integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    d escrow.deals;
BEGIN
    SELECT * INTO d FROM escrow.deals WHERE id = deal_id;
    IF d.state <> 'held' THEN
        RETURN false;
    END IF;
    UPDATE escrow.deals SET state = 'refunded' WHERE id = deal_id;
    UPDATE escrow.accounts SET balance = balance + d.amount WHERE name = d.buyer;
    RETURN true;
END;
$$;
