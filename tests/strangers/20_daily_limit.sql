-- about: cash withdrawals, 500 a day per account; a conditional upsert on the day's total
-- call: SELECT atm_withdraw(9001, 300)
-- call: SELECT atm_withdraw(9001, 300)
-- invariant below_limit: SELECT acct FROM atm_daily WHERE total > 500
-- invariant money_adds_up: SELECT a.acct FROM atm_accounts a WHERE 2000 - a.balance <> (SELECT coalesce(sum(total), 0) FROM atm_daily d WHERE d.acct = a.acct)
-- expect: pass
-- why: ON CONFLICT DO UPDATE … WHERE waits for the other's row and tests the limit on its newest version; the one above it raises and takes nothing.

BEGIN;

CREATE TABLE atm_accounts (
    acct    INTEGER PRIMARY KEY,
    balance NUMERIC NOT NULL,
    CONSTRAINT no_overdraft CHECK (balance >= 0)
);

CREATE TABLE atm_daily (
    acct  INTEGER NOT NULL REFERENCES atm_accounts ON DELETE CASCADE,
    day   DATE    NOT NULL,
    total NUMERIC NOT NULL,
    PRIMARY KEY (acct, day)
);

CREATE OR REPLACE FUNCTION atm_withdraw(IN p_acct INTEGER, IN p_amount NUMERIC, OUT new_balance NUMERIC)
AS $atm$
DECLARE
    c_limit CONSTANT NUMERIC := 500;
BEGIN
    IF p_amount <= 0 OR p_amount > c_limit THEN
        RAISE EXCEPTION USING ERRCODE = '22003', MESSAGE = 'bad amount';
    END IF;

    INSERT INTO atm_daily AS t (acct, day, total)
    VALUES (p_acct, current_date, p_amount)
    ON CONFLICT (acct, day) DO UPDATE
        SET total = t.total + EXCLUDED.total
        WHERE t.total + EXCLUDED.total <= c_limit;

    IF NOT FOUND THEN
        RAISE EXCEPTION 'daily limit of % reached', c_limit USING ERRCODE = 'P0L01';
    END IF;

    UPDATE atm_accounts
    SET    balance = balance - p_amount
    WHERE  acct = p_acct
    RETURNING balance INTO new_balance;
END
$atm$ LANGUAGE plpgsql;

INSERT INTO atm_accounts VALUES (9001, 2000);

COMMIT;
