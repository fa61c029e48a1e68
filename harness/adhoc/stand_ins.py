"""SQL that stands in for what a hosted database brings along: schemas of Supabase, functions of absent extensions."""

from __future__ import annotations

from collections.abc import Mapping

ROLES: Mapping[str, str] = {
    "postgres": "SUPERUSER",
    "supabase_admin": "SUPERUSER",
    "authenticator": "NOINHERIT",
    "service_role": "BYPASSRLS",
}
"""Attributes of well-known roles; all others are plain ones that cannot log in."""

API_ROLES = ("anon", "authenticated", "service_role")

_CLAIM = """\
CREATE FUNCTION auth.{name}() RETURNS {type} LANGUAGE sql STABLE AS $$
  SELECT coalesce(nullif(current_setting('request.jwt.claim.{claim}', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> '{claim}')::{type}
$$;
"""
_AUTH = f"""\
CREATE SCHEMA IF NOT EXISTS auth;
GRANT USAGE ON SCHEMA auth TO PUBLIC;
CREATE TABLE auth.users (
  id uuid PRIMARY KEY, instance_id uuid, aud varchar(255), role varchar(255), email varchar(255), phone text,
  encrypted_password varchar(255), email_confirmed_at timestamptz, confirmed_at timestamptz,
  last_sign_in_at timestamptz, raw_app_meta_data jsonb, raw_user_meta_data jsonb, is_super_admin boolean,
  created_at timestamptz, updated_at timestamptz, deleted_at timestamptz, is_anonymous boolean NOT NULL DEFAULT false
);
{_CLAIM.format(name="uid", type="uuid", claim="sub")}\
{_CLAIM.format(name="role", type="text", claim="role")}\
{_CLAIM.format(name="email", type="text", claim="email")}\
CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT coalesce(nullif(current_setting('request.jwt.claim', true), ''),
    nullif(current_setting('request.jwt.claims', true), ''))::jsonb
$$;
"""
_STORAGE = """\
CREATE SCHEMA IF NOT EXISTS storage;
GRANT USAGE ON SCHEMA storage TO PUBLIC;
CREATE TABLE storage.buckets (
  id text PRIMARY KEY, name text NOT NULL UNIQUE, owner uuid, owner_id text, public boolean DEFAULT false,
  avif_autodetection boolean DEFAULT false, file_size_limit bigint, allowed_mime_types text[],
  created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now()
);
CREATE TABLE storage.objects (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), bucket_id text REFERENCES storage.buckets, name text, owner uuid,
  owner_id text, metadata jsonb, created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
  UNIQUE (bucket_id, name)
);
CREATE FUNCTION storage.foldername(name text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
  SELECT (string_to_array(name, '/'))[1 : cardinality(string_to_array(name, '/')) - 1]
$$;
"""
SCHEMAS: Mapping[str, tuple[str, str]] = {
    "auth": (_AUTH, "auth.users, auth.uid(), auth.role(), auth.email(), auth.jwt()"),
    "storage": (_STORAGE, "storage.buckets, storage.objects, storage.foldername()"),
}
"""Per schema its SQL and, for people, what that makes."""

GRANTS = """\
GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
"""
"""What the three have in a new project of theirs."""

_DIGEST = """\
CREATE FUNCTION {schema}.digest(data bytea, type text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  CASE lower(type)
    WHEN 'md5' THEN RETURN decode(md5(data), 'hex');
    WHEN 'sha224' THEN RETURN sha224(data);
    WHEN 'sha256' THEN RETURN sha256(data);
    WHEN 'sha384' THEN RETURN sha384(data);
    WHEN 'sha512' THEN RETURN sha512(data);
    ELSE RAISE feature_not_supported USING MESSAGE = format('the stand-in for digest() has no %L', type);
  END CASE;
END $$;
CREATE FUNCTION {schema}.digest(data text, type text) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT {schema}.digest(convert_to(data, getdatabaseencoding()), type) $$;
"""
_RANDOM_BYTES = """\
CREATE FUNCTION {schema}.gen_random_bytes(count integer) RETURNS bytea LANGUAGE sql VOLATILE STRICT AS $$
  SELECT substring(string_agg(sha256(uuid_send(gen_random_uuid())), ''::bytea) FROM 1 FOR count)
  FROM generate_series(1, count / 32 + 1)
$$;
"""
_UUID = """\
CREATE FUNCTION {schema}.{name}() RETURNS uuid LANGUAGE sql VOLATILE AS $$ SELECT pg_catalog.gen_random_uuid() $$;
"""
FUNCTIONS: Mapping[str, Mapping[str, str]] = {
    "pgcrypto": {
        "gen_random_uuid": _UUID.replace("{name}", "gen_random_uuid"),
        "gen_random_bytes": _RANDOM_BYTES,
        "digest": _DIGEST,
    },
    "uuid-ossp": {"uuid_generate_v4": _UUID.replace("{name}", "uuid_generate_v4")},
}
"""Per extension the functions that can be written in SQL and mean the same; ``{schema}`` stands for where they go."""
