-- about: SERIALIZABLE protects only from others that are SERIALIZABLE
-- T0  a (serializable): sum -> 100
-- T1  b (read committed): sum -> 100
-- T2  a: checking -80, COMMIT
-- T3  b: savings -80, COMMIT: nobody is refused, together -60
-- verdict: serial_equivalence, below_zero
-- needs: serializable
-- setup: INSERT INTO accounts VALUES ('alice', 'checking', 50), ('alice', 'savings', 50)
-- call: BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT withdraw('alice', 'checking', 80); COMMIT
-- call: SELECT withdraw('alice', 'savings', 80)
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
