-- about: two first refunds of a user: IF NOT FOUND THEN INSERT, and WHEN OTHERS answers for the one that collides
-- T0  a: UPDATE wallets -> no row
-- T1  b: UPDATE wallets -> no row
-- T2  a: INSERT INTO wallets, INSERT INTO refunds, COMMIT
-- T3  b: INSERT INTO wallets -> 23505, caught in an inner block; INSERT INTO refunds, COMMIT: never credited
-- verdict: serial_equivalence, balance_matches
-- call: SELECT refund('j1', 'alice', 10)
-- call: SELECT refund('j2', 'alice', 20)
-- invariant balance_matches: SELECT owner FROM wallets w
--   WHERE balance <> (SELECT sum(amount) FROM refunds r WHERE r.owner = w.owner)

CREATE TABLE wallets (owner text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE refunds (job text PRIMARY KEY, owner text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text, p_owner text, p_amount integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_answer text := 'credited';
BEGIN
  UPDATE wallets SET balance = balance + p_amount WHERE owner = p_owner;
  IF NOT FOUND THEN
    BEGIN
      INSERT INTO wallets VALUES (p_owner, p_amount);
    EXCEPTION WHEN OTHERS THEN
      v_answer := 'success: false, ' || SQLERRM;
    END;
  END IF;
  INSERT INTO refunds VALUES (p_job, p_owner, p_amount);
  RETURN v_answer;
END
$$;
