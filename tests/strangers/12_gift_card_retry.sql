-- about: a gift card is spent with optimistic concurrency: read, write if unchanged, else try again
-- call: SELECT spend_gift_card('GC-77', 30)
-- call: SELECT spend_gift_card('GC-77', 30)
-- invariant spent_matches: SELECT code FROM gift_cards g WHERE 50 - balance <> (SELECT coalesce(sum(amount), 0) FROM gift_card_uses u WHERE u.code = g.code)
-- expect: pass
-- why: the write demands the version that was read; who lost goes round the loop, reads the new balance and is refused.

CREATE TABLE gift_cards (
   code     text    NOT NULL PRIMARY KEY,
   balance  integer NOT NULL,
   ver      integer NOT NULL DEFAULT 1
);
CREATE TABLE gift_card_uses (code text NOT NULL, amount integer NOT NULL);
INSERT INTO gift_cards (code, balance) VALUES ('GC-77', 50);

CREATE FUNCTION spend_gift_card(pcode text, pamount integer) RETURNS integer LANGUAGE 'plpgsql' AS '
DECLARE
   vbalance integer;
   vver integer;
   tries integer := 0;
BEGIN
   LOOP
      SELECT balance, ver INTO vbalance, vver FROM gift_cards WHERE code = pcode;
      IF NOT FOUND THEN RAISE EXCEPTION ''no such card: %'', pcode; END IF;
      IF vbalance < pamount THEN RETURN -1; END IF;

      UPDATE gift_cards SET balance = vbalance - pamount, ver = vver + 1
       WHERE code = pcode AND ver = vver;
      EXIT WHEN FOUND;

      tries := tries + 1;
      IF tries > 5 THEN RAISE EXCEPTION ''card is busy''; END IF;
   END LOOP;

   INSERT INTO gift_card_uses VALUES (pcode, pamount);
   RETURN vbalance - pamount;
END';
