-- about: a poll where a vote may be changed; a trigger keeps the tallies
-- call: SELECT cast_vote('lunch', 'ann', 'soup')
-- call: SELECT cast_vote('lunch', 'ann', 'rice')
-- call: SELECT cast_vote('lunch', 'bob', 'soup')
-- invariant tally_is_count: SELECT t.option FROM tallies t WHERE t.n <> (SELECT count(*) FROM votes v WHERE v.poll = t.poll AND v.option = t.option)
-- expect: pass
-- why: the row lock of a vote serialises the votes of one voter, and the trigger locks the tallies in one order before it adds and subtracts.

CREATE TABLE tallies (poll TEXT, option TEXT, n INT NOT NULL DEFAULT 0, PRIMARY KEY (poll, option));
CREATE TABLE votes (
  poll TEXT, voter TEXT, option TEXT NOT NULL,
  PRIMARY KEY (poll, voter),
  FOREIGN KEY (poll, option) REFERENCES tallies
);

CREATE FUNCTION count_vote() RETURNS TRIGGER LANGUAGE plpgsql AS $t$
BEGIN
  PERFORM 1 FROM tallies WHERE poll = NEW.poll ORDER BY option FOR UPDATE;
  IF TG_OP = 'UPDATE' THEN
    IF OLD.option = NEW.option THEN RETURN NEW; END IF;
    UPDATE tallies SET n = n - 1 WHERE poll = OLD.poll AND option = OLD.option;
  END IF;
  UPDATE tallies SET n = n + 1 WHERE poll = NEW.poll AND option = NEW.option;
  RETURN NEW;
END $t$;

CREATE TRIGGER votes_biu BEFORE INSERT OR UPDATE ON votes FOR EACH ROW EXECUTE FUNCTION count_vote();

CREATE FUNCTION cast_vote(TEXT, TEXT, TEXT) RETURNS VOID LANGUAGE sql AS $$
  UPDATE votes SET option = $3 WHERE poll = $1 AND voter = $2;
  INSERT INTO votes SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT 1 FROM votes WHERE poll = $1 AND voter = $2);
$$;

INSERT INTO tallies VALUES ('lunch', 'soup'), ('lunch', 'rice');
INSERT INTO votes VALUES ('lunch', 'ann', 'rice'), ('lunch', 'bob', 'rice');
