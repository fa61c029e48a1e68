-- about: entries go into a ledger, a trigger keeps the wallet's balance up to date; the client only inserts
-- call: INSERT INTO wallet_entries (wallet_id, amount, memo) VALUES (1, 50, 'top up')
-- call: INSERT INTO wallet_entries (wallet_id, amount, memo) VALUES (1, -20, 'coffee')
-- invariant balance_is_sum: SELECT w.id FROM wallets w WHERE w.balance <> (SELECT coalesce(sum(amount), 0) FROM wallet_entries e WHERE e.wallet_id = w.id)
-- expect: violation serial_equivalence
-- why: the trigger reads the balance, adds in a variable and writes the sum back; the second writer overwrites the first.

CREATE TABLE wallets (
	id		serial PRIMARY KEY,
	owner_name	text NOT NULL,
	balance		numeric(12,2) NOT NULL DEFAULT 0
);

CREATE TABLE wallet_entries (
	id		bigserial PRIMARY KEY,
	wallet_id	integer NOT NULL REFERENCES wallets(id),
	amount		numeric(12,2) NOT NULL,
	memo		text
);

CREATE FUNCTION trg_wallet_entry() RETURNS trigger AS $BODY$
DECLARE
	old_balance	wallets.balance%TYPE;
	new_balance	wallets.balance%TYPE;
BEGIN
	SELECT balance INTO old_balance FROM wallets WHERE id = NEW.wallet_id;
	new_balance := old_balance + NEW.amount;
	IF new_balance < 0 THEN
		RAISE EXCEPTION 'wallet % would be overdrawn', NEW.wallet_id;
	END IF;
	UPDATE wallets SET balance = new_balance WHERE id = NEW.wallet_id;
	RETURN NULL;
END;
$BODY$ LANGUAGE plpgsql;

INSERT INTO wallets (owner_name) VALUES ('ann');

CREATE TRIGGER wallet_entry_ai AFTER INSERT ON wallet_entries
	FOR EACH ROW EXECUTE FUNCTION trg_wallet_entry();

INSERT INTO wallet_entries (wallet_id, amount, memo) VALUES (1, 100, 'opening');
