-- about: calls of an API are counted against the month's quota; one UPDATE, and an error when nothing is left
-- expect: pass
-- why: the UPDATE takes and tests in one, and whoever waited tests the newest row.

CREATE TABLE api_clients (
  client_id   serial PRIMARY KEY,
  api_key     text NOT NULL UNIQUE CHECK (char_length(api_key) = 12),
  active      boolean NOT NULL DEFAULT true
);

CREATE TABLE quotas (
  client_id   int NOT NULL REFERENCES api_clients,
  month       date NOT NULL,
  calls_left  int NOT NULL CHECK (calls_left >= 0),
  PRIMARY KEY (client_id, month),
  CHECK (extract(day FROM month) = 1)
);

CREATE FUNCTION spend_call(key text) RETURNS int LANGUAGE plpgsql STRICT AS $body$
DECLARE left_over int;
BEGIN
  UPDATE quotas q SET calls_left = q.calls_left - 1
    FROM api_clients c
   WHERE c.api_key = key AND c.active AND q.client_id = c.client_id
     AND q.month = date_trunc('month', current_date)::date AND q.calls_left > 0
  RETURNING q.calls_left INTO left_over;
  IF left_over IS NULL THEN
    RAISE EXCEPTION 'quota exceeded' USING ERRCODE = 'P0429';
  END IF;
  RETURN left_over;
END;
$body$;
