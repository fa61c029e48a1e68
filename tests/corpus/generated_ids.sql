-- about: random ids, times, RETURNING INTO and a row that refers to a generated id; correct
-- safe: each call adds rows of its own, and the balance by what it holds; ids and times differ in every run
-- verdict: pass
-- setup: INSERT INTO accounts VALUES ('alice', 0, now())
-- call: SELECT refund('alice', 10)
-- call: SELECT refund('alice', 20)

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL, updated_at timestamptz NOT NULL);
CREATE TABLE refunds (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  amount integer NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE events (
  no serial PRIMARY KEY, refund uuid NOT NULL REFERENCES refunds, at timestamptz NOT NULL, payload jsonb NOT NULL);

CREATE FUNCTION refund(p_account text, p_amount integer) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  v_id uuid;
  v_at timestamptz;
BEGIN
  INSERT INTO refunds (amount) VALUES (p_amount) RETURNING id, created_at INTO STRICT v_id, v_at;
  UPDATE accounts SET balance = balance + p_amount, updated_at = clock_timestamp() WHERE id = p_account;
  INSERT INTO events (refund, at, payload) VALUES (v_id, v_at, jsonb_build_object('refund', v_id, 'at', v_at));
  RETURN v_id;
END
$$;
