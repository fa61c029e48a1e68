-- Row security as a Supabase project has it: on for every table, and users read their own rows, by the claim `sub` of
-- their token. Everything belongs to a role of its own that is neither superuser nor exempt from row security; the
-- functions run as that role, and what it owns it sees, as long as row security is not forced upon it.
--
-- On a Supabase project `service_role` has BYPASSRLS, which would outlive this database; here it has policies instead.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'refund_owner') THEN
    CREATE ROLE refund_owner NOLOGIN;
    IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
      GRANT refund_owner TO CURRENT_USER;
    END IF;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END
$$;

GRANT USAGE, CREATE ON SCHEMA public TO refund_owner;

ALTER TABLE public.story_jobs OWNER TO refund_owner;
ALTER TABLE public.user_balances OWNER TO refund_owner;
ALTER TABLE public.balance_transactions OWNER TO refund_owner;

ALTER FUNCTION public.deduct_balance_atomic(uuid, integer, text, jsonb) OWNER TO refund_owner;
ALTER FUNCTION public.refund_balance_atomic(uuid, integer, text, jsonb) OWNER TO refund_owner;
ALTER FUNCTION public.complete_job_atomic(text, uuid, text, jsonb) OWNER TO refund_owner;
ALTER FUNCTION public.refund_job_atomic(text, uuid, integer, text) OWNER TO refund_owner;

ALTER TABLE public.story_jobs ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.user_balances ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.balance_transactions ENABLE ROW LEVEL SECURITY;

GRANT SELECT ON public.story_jobs, public.user_balances, public.balance_transactions TO authenticated;

CREATE POLICY own_rows ON public.story_jobs FOR SELECT TO authenticated
  USING (user_id = (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid);
CREATE POLICY own_rows ON public.user_balances FOR SELECT TO authenticated
  USING (user_id = (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid);
CREATE POLICY own_rows ON public.balance_transactions FOR SELECT TO authenticated
  USING (user_id = (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid);

CREATE POLICY workers ON public.story_jobs TO service_role USING (true) WITH CHECK (true);
CREATE POLICY workers ON public.user_balances TO service_role USING (true) WITH CHECK (true);
CREATE POLICY workers ON public.balance_transactions TO service_role USING (true) WITH CHECK (true);
