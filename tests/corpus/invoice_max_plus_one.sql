-- about: invoice numbers by max + 1, and nothing that forbids the same number twice
-- T0  a: max(no) -> null
-- T1  b: max(no) -> null
-- T2  a: INSERT 1, COMMIT; b: INSERT 1, COMMIT
-- verdict: serial_equivalence, number_twice
-- call: SELECT invoice('alice', 10)
-- call: SELECT invoice('bob', 20)
-- invariant number_twice: SELECT no FROM invoices GROUP BY no HAVING count(*) > 1

CREATE TABLE invoices (no integer NOT NULL, customer text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION invoice(p_customer text, p_amount integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_no integer;
BEGIN
  v_no := coalesce((SELECT max(no) FROM invoices), 0) + 1;
  INSERT INTO invoices VALUES (v_no, p_customer, p_amount);
  RETURN v_no;
END
$$;
