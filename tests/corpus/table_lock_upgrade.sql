-- about: SHARE mode, which two may hold, before an insert, which both forbid each other
-- T0  a: LOCK TABLE … IN SHARE MODE
-- T1  b: LOCK TABLE … IN SHARE MODE
-- T2  a: INSERT waits for b
-- T3  b: INSERT waits for a: deadlock
-- verdict: deadlock
-- call: SELECT sell('seat 1', 'alice', 30)
-- call: SELECT sell('seat 1', 'bob', 30)
-- invariant sold_once: SELECT seat FROM sales GROUP BY seat HAVING count(*) > 1

CREATE TABLE sales (seat text NOT NULL, buyer text NOT NULL, price integer NOT NULL);

CREATE FUNCTION sell(p_seat text, p_buyer text, p_price integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  LOCK TABLE sales IN SHARE MODE;
  IF EXISTS (SELECT FROM sales WHERE seat = p_seat) THEN
    RETURN false;
  END IF;
  INSERT INTO sales VALUES (p_seat, p_buyer, p_price);
  RETURN true;
END
$$;
