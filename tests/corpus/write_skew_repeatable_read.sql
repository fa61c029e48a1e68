-- about: two accounts of one owner may not be below zero together; each worker takes from one
-- T0  a: snapshot, sum -> 100
-- T1  b: snapshot, sum -> 100
-- T2  a: checking -80, COMMIT
-- T3  b: savings -80, COMMIT (another row, so no 40001): together -60
-- verdict: serial_equivalence, below_zero
-- needs: repeatable_read
-- setup: INSERT INTO accounts VALUES ('alice', 'checking', 50), ('alice', 'savings', 50)
-- call: BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT withdraw('alice', 'checking', 80); COMMIT
-- call: BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT withdraw('alice', 'savings', 80); COMMIT
-- invariant below_zero: SELECT owner FROM accounts GROUP BY owner HAVING sum(balance) < 0

CREATE TABLE accounts (owner text, kind text, balance integer NOT NULL, PRIMARY KEY (owner, kind));

CREATE FUNCTION withdraw(p_owner text, p_kind text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT sum(balance) FROM accounts WHERE owner = p_owner) < p_amount THEN
    RETURN false;
  END IF;
  UPDATE accounts SET balance = balance - p_amount WHERE owner = p_owner AND kind = p_kind;
  RETURN true;
END
$$;
