-- about: labels, nested blocks and a CASE statement whose search expression is a query
-- T0  a: CASE (SELECT state …) -> held
-- T1  b: CASE (SELECT state …) -> held
-- T2  a: releases the escrow, COMMIT; b: releases it again
-- verdict: serial_equivalence
-- needs: condition
-- setup: INSERT INTO escrows VALUES ('e1', 'seller', 250, 'held')
-- setup: INSERT INTO accounts VALUES ('seller', 0)
-- call: SELECT release('e1')
-- call: SELECT release('e1')

CREATE TABLE escrows (id text PRIMARY KEY, seller text NOT NULL, amount integer NOT NULL, state text NOT NULL);
CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);

CREATE FUNCTION release(p_escrow text) RETURNS text LANGUAGE plpgsql AS $$
<<whole>>
DECLARE
  answer text := 'nothing';
BEGIN
  <<attempts>>
  FOR i IN 1..3 LOOP
    CASE (SELECT state FROM escrows WHERE id = p_escrow)
      WHEN 'held' THEN
        <<inner_block>>
        DECLARE
          e escrows;
        BEGIN
          SELECT * INTO e FROM escrows WHERE id = p_escrow;
          UPDATE accounts SET balance = balance + e.amount WHERE id = e.seller;
          UPDATE escrows SET state = 'released' WHERE id = p_escrow;
          whole.answer := 'released';
          EXIT attempts WHEN i >= 1;
        END inner_block;
      WHEN 'released', 'returned' THEN
        EXIT attempts;
      ELSE
        CONTINUE attempts;
    END CASE;
  END LOOP attempts;
  RETURN whole.answer;
END whole
$$;
