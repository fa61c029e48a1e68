-- about: three workers spend one budget; a VOLATILE helper reads what is spent after the budget was locked
-- safe: a VOLATILE function takes a new snapshot for each of its statements, and the lock was waited for before
-- verdict: pass
-- setup: INSERT INTO budgets VALUES ('b1', 100)
-- call: SELECT spend('b1', 40)
-- call: SELECT spend('b1', 50)
-- call: SELECT spend('b1', 60)
-- invariant overspent: SELECT id FROM budgets b
--   WHERE amount < (SELECT sum(s.amount) FROM spends s WHERE s.budget = b.id)

CREATE TABLE budgets (id text PRIMARY KEY, amount integer NOT NULL);
CREATE TABLE spends (budget text NOT NULL REFERENCES budgets, amount integer NOT NULL);

CREATE FUNCTION spent(p_budget text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT coalesce(sum(amount), 0) FROM spends WHERE budget = p_budget);
END
$$;

CREATE FUNCTION spend(p_budget text, p_amount integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM budgets WHERE id = p_budget FOR UPDATE;
  IF p_amount + spent(p_budget) > (SELECT amount FROM budgets WHERE id = p_budget) THEN
    RETURN false;
  END IF;
  INSERT INTO spends VALUES (p_budget, p_amount);
  RETURN true;
END
$$;
