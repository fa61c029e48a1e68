-- about: invoice numbers without gaps from a counter row
-- safe: the counter's UPDATE … RETURNING is one statement, and the second worker's waits for the first one's commit
-- verdict: pass
-- setup: INSERT INTO counters VALUES ('invoice', 0)
-- call: SELECT invoice('alice', 10)
-- call: SELECT invoice('bob', 20)
-- invariant number_twice: SELECT no FROM invoices GROUP BY no HAVING count(*) > 1

CREATE TABLE counters (name text PRIMARY KEY, last integer NOT NULL);
CREATE TABLE invoices (no integer NOT NULL, customer text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION invoice(p_customer text, p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_no integer;
BEGIN
  UPDATE counters SET last = last + 1 WHERE name = 'invoice' RETURNING last INTO v_no;
  INSERT INTO invoices VALUES (v_no, p_customer, p_amount);
  RETURN v_no;
END
$$;
