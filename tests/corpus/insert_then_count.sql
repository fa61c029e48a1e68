-- about: the claim is inserted first and counted afterwards; right unless the other has paid and not yet committed
-- T0  a: INSERT INTO claims
-- T1  b: INSERT INTO claims
-- T2  a: count(*) -> 1 (b has not committed), pays; not yet committed
-- T3  b: count(*) -> 1 (a has not committed), pays; had a committed, it would have been 2
-- T4  a: COMMIT; b: COMMIT
-- verdict: serial_equivalence, paid_once
-- needs: commit_point
-- call: SELECT refund('j1', 'first')
-- call: SELECT refund('j1', 'second')
-- invariant paid_once: SELECT job FROM payments GROUP BY job HAVING count(*) > 1

CREATE TABLE claims (job text NOT NULL, worker text NOT NULL);
CREATE TABLE payments (job text NOT NULL);

CREATE FUNCTION refund(p_job text, p_worker text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO claims VALUES (p_job, p_worker);
  INSERT INTO payments SELECT p_job WHERE (SELECT count(*) FROM claims WHERE job = p_job) = 1;
END
$$;
