-- about: SECURITY DEFINER with an empty search_path, called by service_role; and no lock
-- T0  a: SELECT status -> processing
-- T1  b: SELECT status -> processing
-- T2  a: pays, COMMIT; b: pays, COMMIT
-- verdict: serial_equivalence
-- needs: role
-- role: service_role
-- setup: INSERT INTO accounts VALUES ('alice', 4000)
-- setup: INSERT INTO jobs VALUES ('j1', 'alice', 'processing', 1000)
-- call: SELECT public.refund('j1')
-- call: SELECT public.refund('j1')

CREATE TABLE accounts (id text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, owner text NOT NULL, status text NOT NULL, amount integer NOT NULL);

CREATE FUNCTION refund(p_job text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  v_job public.jobs;
BEGIN
  SELECT * INTO v_job FROM public.jobs WHERE id = p_job;
  IF v_job.status OPERATOR(pg_catalog.<>) 'processing' THEN
    RETURN pg_catalog.jsonb_build_object('success', false);
  END IF;
  UPDATE public.accounts SET balance = balance + v_job.amount WHERE id = v_job.owner;
  UPDATE public.jobs SET status = 'failed' WHERE id = p_job;
  RETURN pg_catalog.jsonb_build_object('success', true);
END
$$;
REVOKE ALL ON FUNCTION refund(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION refund(text) TO service_role;
