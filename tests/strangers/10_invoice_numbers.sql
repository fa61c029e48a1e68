-- about: gapless invoice numbers per tenant, given by a BEFORE INSERT trigger from a counter table; plain inserts
-- call: INSERT INTO billing.invoices (tenant, amount_cents) VALUES ('acme', 1000)
-- call: INSERT INTO billing.invoices (tenant, amount_cents) VALUES ('acme', 2000)
-- call: INSERT INTO billing.invoices (tenant, amount_cents) VALUES ('zeta', 3000)
-- invariant gapless: SELECT tenant FROM billing.invoices GROUP BY tenant HAVING count(DISTINCT number) <> count(*) OR max(seq) <> count(*)
-- expect: pass
-- why: the upsert locks the tenant's counter until commit; only the surrogate id may be in another order than the number.

CREATE SCHEMA billing;

CREATE TABLE billing.invoice_counters (
  tenant text PRIMARY KEY,
  last_number integer NOT NULL
);

CREATE TABLE billing.invoices (
  id bigserial PRIMARY KEY,
  tenant text NOT NULL,
  seq integer NOT NULL,
  number text NOT NULL,
  amount_cents bigint NOT NULL,
  UNIQUE (tenant, seq)
);

CREATE FUNCTION billing.assign_invoice_number() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  INSERT INTO billing.invoice_counters AS c (tenant, last_number)
  VALUES (NEW.tenant, 1)
  ON CONFLICT (tenant) DO UPDATE SET last_number = c.last_number + 1
  RETURNING last_number INTO NEW.seq;

  NEW.number := upper(NEW.tenant) || '-' || lpad(NEW.seq::text, 5, '0');
  RETURN NEW;
END;
$$;

CREATE TRIGGER assign_number
  BEFORE INSERT ON billing.invoices
  FOR EACH ROW
  EXECUTE PROCEDURE billing.assign_invoice_number();
