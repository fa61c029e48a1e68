-- about: payouts are gathered into batches, all at SERIALIZABLE while new payouts come in
-- call: BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT build_batch(); COMMIT
-- call: BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT build_batch(); COMMIT
-- call: BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT request_payout('cy', 70); COMMIT
-- invariant totals_match: SELECT b.id FROM batches b WHERE b.total <> (SELECT coalesce(sum(p.amount), 0) FROM payouts p WHERE p.batch_id = b.id)
-- expect: pass
-- why: at SERIALIZABLE who would break the order is refused with 40001 and has done nothing.

CREATE TABLE batches (id serial PRIMARY KEY, total bigint NOT NULL DEFAULT 0, n int NOT NULL DEFAULT 0);
CREATE TABLE payouts (id serial PRIMARY KEY, payee text NOT NULL, amount bigint NOT NULL, batch_id int REFERENCES batches);

INSERT INTO payouts (payee, amount) VALUES ('ann', 100), ('bob', 50);

CREATE FUNCTION request_payout(p_payee text, p_amount bigint) RETURNS void LANGUAGE sql AS $$
  INSERT INTO payouts (payee, amount) VALUES (p_payee, p_amount);
$$;

CREATE FUNCTION build_batch() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  b int;
  cnt int;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM payouts WHERE batch_id IS NULL) THEN
    RETURN NULL;
  END IF;
  INSERT INTO batches DEFAULT VALUES RETURNING id INTO b;
  UPDATE payouts SET batch_id = b WHERE batch_id IS NULL;
  GET DIAGNOSTICS cnt = ROW_COUNT;
  UPDATE batches SET total = (SELECT sum(amount) FROM payouts WHERE batch_id = b), n = cnt WHERE id = b;
  RETURN b;
END $$;
