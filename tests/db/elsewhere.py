"""A server as other people run one: with their tables, their roles, and nothing set for us."""

from __future__ import annotations

import subprocess

import psycopg

from harness.targets.embedded import EmbeddedTarget
from harness.targets.server import ServerTarget

SETTINGS = {"autovacuum": "off", "deadlock_timeout": "1s", "plan_cache_mode": "auto", "max_connections": "80"}
"""As shipped, but that nothing happens by itself: what stays the same can then be told."""
TAKEN = ("anon", "authenticated", "service_role", "refund_harness_public", "refund_owner")
"""Roles that the shipped SQL and scenarios name."""
_THEIRS = f"""
CREATE ROLE plain LOGIN CREATEDB;
CREATE ROLE supa LOGIN CREATEDB;
CREATE ROLE reader LOGIN;
{"".join(f"CREATE ROLE {role}; GRANT {role} TO supa;" for role in TAKEN)}
"""
_TABLES = """
CREATE TABLE accounts (id integer PRIMARY KEY, note text, balance numeric CHECK (balance >= 0));
INSERT INTO accounts SELECT n, repeat('x', n), n * 1.5 FROM generate_series(1, 500) n;
CREATE TABLE refund_harness_accounts AS SELECT * FROM accounts;
CREATE VIEW rich AS SELECT * FROM accounts WHERE balance > 500;
CREATE FUNCTION refund_job_atomic() RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE SEQUENCE theirs START 17; SELECT nextval('theirs');
SELECT lo_from_bytea(0, 'theirs');
"""
_STATE = """
SELECT format('SELECT %L, ctid, xmin, t::text FROM %s t', oid::regclass, oid::regclass)
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"""


def make_roles(server: EmbeddedTarget) -> None:
    """Those of `TAKEN` that are not there yet: on somebody else's server no command makes them."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as conn:
        there = {name for (name,) in conn.execute("SELECT rolname FROM pg_roles")}
        for role in TAKEN:
            if role not in there:
                conn.execute(f"CREATE ROLE {role}".encode())


def settle(server: EmbeddedTarget) -> None:
    """Make their roles, and a database ``theirs``."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as conn:
        conn.execute(_THEIRS)
        conn.execute("CREATE DATABASE theirs")
        conn.execute("COMMENT ON DATABASE theirs IS 'refund-harness: not quite our mark'")
    with psycopg.connect(server.conninfo("theirs"), autocommit=True) as conn:
        conn.execute(_TABLES)


def dsn(server: EmbeddedTarget, role: str, dbname: str = "theirs") -> str:
    return f"postgresql://{role}@/{dbname}?host={server.folder}"


def as_(server: EmbeddedTarget, role: str) -> ServerTarget:
    return ServerTarget(dsn(server, role))


def everything(server: EmbeddedTarget) -> str:
    """All there is on it, to the last row's place and age: two of these are equal when nobody has touched anything."""
    dump = [server.binaries.folder / "pg_dumpall", "-h", server.folder, "-U", "postgres"]
    text = subprocess.run(dump, check=True, capture_output=True, text=True, timeout=600).stdout
    # A new random word in every dump keeps psql from being told to obey what is in the data.
    lines = [line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]
    with psycopg.connect(server.conninfo("theirs")) as conn:
        for (query,) in conn.execute(_STATE).fetchall():
            lines += [str(row) for row in conn.execute(query).fetchall()]
    return "\n".join(lines)


def databases_of(server: EmbeddedTarget) -> list[str]:
    """Names that look like ours."""
    with psycopg.connect(server.conninfo("postgres")) as conn:
        found = conn.execute("SELECT datname FROM pg_database WHERE starts_with(datname::text, 'refund_harness_')")
        return sorted(name for (name,) in found.fetchall())


def sessions_of(server: EmbeddedTarget, role: str) -> int:
    """How many are there, those of dead clients included."""
    with psycopg.connect(server.conninfo("postgres")) as conn:
        found = conn.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", [role]).fetchone()
        assert found is not None
        return int(found[0])
