-- about: comments and strings that hold semicolons, quotes, dollars, BEGIN and END; correct all the same
-- safe: the wallet is locked before it is read
-- verdict: pass
-- setup: INSERT INTO wallets VALUES ('o''hara; --', 100)
-- call: SELECT debit('o''hara' || chr(59) || ' --', 70)
-- call: SELECT debit('o''hara' || chr(59) || ' --', 70)
-- invariant overdrawn: SELECT owner FROM wallets WHERE balance < 0

/* BEGIN; a comment /* with another one; */ END; */
CREATE TABLE wallets (owner text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE notes (owner text NOT NULL, note text NOT NULL);

CREATE FUNCTION debit(p_owner text, p_amount integer) RETURNS text LANGUAGE plpgsql AS $fn$
-- BEGIN; it's a comment: SELECT 1 FROM wallets; END IF;
DECLARE
  v_balance integer; -- the balance; 'before'
  v_text text := E'it\'s; BEGIN $$ UPDATE wallets SET balance = 0; $$ END;';
BEGIN /* IF THEN ELSE; */
  SELECT /* ; */ balance -- ; '
    INTO v_balance FROM wallets WHERE owner = p_owner /* "; */ FOR UPDATE;
  IF v_balance < p_amount /* THEN */ THEN -- THEN;
    INSERT INTO notes VALUES (p_owner, $$refused; "BEGIN" 'END'$$); RETURN 'no; END';
  END IF;
  UPDATE wallets SET balance = balance - p_amount WHERE owner = p_owner; INSERT INTO notes VALUES (p_owner, v_text
    || $q$ $$;$$ $q$ || U&'\0041;' || '--;');
  RETURN 'ok ; ' || ';';
END /* END; */;
$fn$;
