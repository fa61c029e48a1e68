-- The three roles of a Supabase-like API, and the default privileges that such a platform sets.
--
-- Roles belong to the whole cluster, so two databases may be migrated at once: whoever loses the race to
-- CREATE ROLE finds the role made (duplicate_object, or unique_violation when both passed the test).
-- A role's creator who is not a superuser becomes its member and may SET ROLE to it.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'anon') THEN
    CREATE ROLE anon NOLOGIN;
    IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
      GRANT anon TO CURRENT_USER;
    END IF;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END
$$;

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'authenticated') THEN
    CREATE ROLE authenticated NOLOGIN;
    IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
      GRANT authenticated TO CURRENT_USER;
    END IF;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END
$$;

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'service_role') THEN
    CREATE ROLE service_role NOLOGIN;
    IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
      GRANT service_role TO CURRENT_USER;
    END IF;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END
$$;

-- Before PostgreSQL 15 a database's owner does not own public: this is then a warning, and PUBLIC has USAGE anyway.
GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;

-- These make every new function callable by everyone, which is why each function below needs its REVOKE.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO service_role;
