-- about: payments API: a request that is sent twice with one Idempotency-Key is answered twice and paid once
-- call: SELECT api.create_payment('key-1', 1, 2, 250)
-- call: SELECT api.create_payment('key-1', 1, 2, 250)
-- invariant paid_once: SELECT idempotency_key FROM api.payments GROUP BY 1 HAVING count(*) > 1
-- expect: pass
-- why: the insert of the key makes the second request wait for the first one's commit, and it then reads the kept answer in a new snapshot.

CREATE SCHEMA IF NOT EXISTS api;

CREATE TABLE api.accounts (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    balance bigint NOT NULL CHECK (balance >= 0)
);

CREATE TABLE api.idempotency_keys (
    key        text PRIMARY KEY,
    response   jsonb,
    locked_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api.payments (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    idempotency_key text NOT NULL,
    payer           bigint NOT NULL REFERENCES api.accounts,
    payee           bigint NOT NULL REFERENCES api.accounts,
    amount          bigint NOT NULL CHECK (amount > 0)
);

INSERT INTO api.accounts (balance) VALUES (1000), (0);

CREATE FUNCTION api.create_payment(_key text, _payer bigint, _payee bigint, _amount bigint)
RETURNS jsonb
LANGUAGE plpgsql
VOLATILE
AS $fn$
<<body>>
DECLARE
    _inserted integer;
    _response jsonb;
    _payment  uuid;
BEGIN
    INSERT INTO api.idempotency_keys (key) VALUES (_key) ON CONFLICT (key) DO NOTHING;
    GET DIAGNOSTICS _inserted = ROW_COUNT;

    IF _inserted = 0 THEN
        SELECT k.response INTO STRICT body._response FROM api.idempotency_keys k WHERE k.key = _key;
        RETURN body._response;
    END IF;

    PERFORM a.id FROM api.accounts a WHERE a.id IN (_payer, _payee) ORDER BY a.id FOR NO KEY UPDATE;

    UPDATE api.accounts SET balance = balance - _amount WHERE id = _payer;
    UPDATE api.accounts SET balance = balance + _amount WHERE id = _payee;

    INSERT INTO api.payments (idempotency_key, payer, payee, amount)
    VALUES (_key, _payer, _payee, _amount)
    RETURNING id INTO _payment;

    _response := jsonb_build_object('payment', _payment, 'status', 'succeeded');
    UPDATE api.idempotency_keys SET response = _response WHERE key = _key;
    RETURN _response;
END body
$fn$;
