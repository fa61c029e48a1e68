-- about: the whole table is locked before it is read
-- safe: SHARE ROW EXCLUSIVE conflicts with itself, and the next statement's snapshot is taken after the wait
-- verdict: pass
-- call: SELECT sell('seat 1', 'alice', 30)
-- call: SELECT sell('seat 1', 'bob', 30)
-- invariant sold_once: SELECT seat FROM sales GROUP BY seat HAVING count(*) > 1

CREATE TABLE sales (seat text NOT NULL, buyer text NOT NULL, price integer NOT NULL);

CREATE FUNCTION sell(p_seat text, p_buyer text, p_price integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  LOCK TABLE sales IN SHARE ROW EXCLUSIVE MODE;
  IF EXISTS (SELECT FROM sales WHERE seat = p_seat) THEN
    RETURN false;
  END IF;
  INSERT INTO sales VALUES (p_seat, p_buyer, p_price);
  RETURN true;
END
$$;
