"""A real server's catalogs, read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from harness.catalog import read_catalog
from harness.model import Footprint
from harness.sqltext import Catalog, footprint_of

SQL = """
CREATE SCHEMA app;
CREATE FUNCTION app.helper(x integer, y text[] DEFAULT '{}') RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO log VALUES (1); RETURN NEW; END$$;
CREATE PROCEDURE run() LANGUAGE plpgsql AS $$BEGIN COMMIT; END$$;
CREATE TABLE log (x integer);
CREATE FUNCTION atomic() RETURNS SETOF integer BEGIN ATOMIC SELECT x FROM log; END;
CREATE FUNCTION allowed(x text) RETURNS boolean STABLE LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM log)';
CREATE FUNCTION sum_step(s integer, x integer) RETURNS integer LANGUAGE sql AS 'SELECT s + x';
CREATE AGGREGATE total(integer) (sfunc = sum_step, stype = integer);
CREATE FUNCTION same(a point, b point) RETURNS boolean LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM log)';
CREATE OPERATOR ==== (leftarg = point, rightarg = point, function = same);
CREATE DOMAIN amount AS integer CHECK (app.helper(VALUE) > 0);
CREATE SEQUENCE numbers;
CREATE TABLE app.users (
  id serial PRIMARY KEY, code bigint GENERATED ALWAYS AS IDENTITY, number integer DEFAULT nextval('numbers') + 1,
  name text CHECK (allowed(name)), paid amount, UNIQUE (code)
);
CREATE UNIQUE INDEX ON app.users (app.helper(id)) WHERE app.helper(id) > 1;
CREATE TABLE charges (id integer PRIMARY KEY, user_id integer REFERENCES app.users ON DELETE CASCADE, other integer);
CREATE TABLE notes (code bigint REFERENCES app.users (code) ON DELETE SET NULL DEFERRABLE, text text);
CREATE TRIGGER t AFTER INSERT OR UPDATE ON charges FOR EACH STATEMENT EXECUTE FUNCTION audit();
CREATE TABLE parts (id integer, k integer) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE old_style (a integer); CREATE TABLE old_child () INHERITS (old_style);
CREATE VIEW seen AS SELECT u.id, allowed(u.name) FROM app.users u;
CREATE MATERIALIZED VIEW stored AS SELECT 1 AS one;
CREATE TABLE secret (owner text); ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON secret USING (owner IN (SELECT text FROM notes)) WITH CHECK (allowed(owner));
CREATE TABLE swapped (n integer UNIQUE DEFERRABLE); CREATE TABLE busy (
  at int4range, EXCLUDE USING gist (at WITH &&) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE part_keys (n integer, PRIMARY KEY (n) DEFERRABLE) PARTITION BY RANGE (n);
CREATE TABLE part_keys_1 PARTITION OF part_keys FOR VALUES FROM (0) TO (10);
CREATE TABLE ruled (a integer); CREATE RULE r AS ON INSERT TO ruled DO ALSO INSERT INTO log VALUES (1);
"""


@pytest.fixture
def catalog(new_database: Callable[..., psycopg.Connection[Any]]) -> Catalog:
    connection = new_database()
    connection.execute(SQL.encode())
    return read_catalog(connection)


def test_routines(catalog: Catalog) -> None:
    found = {r.identity: r for r in catalog.routines}
    helper = found["app.helper(integer, text[])"]
    assert (helper.name, helper.schema, helper.language, helper.kind, helper.volatility) == (
        "helper", "app", "sql", "f", "i"
    )  # fmt: skip
    assert helper.source == "SELECT 1"
    assert helper.definition.startswith("CREATE OR REPLACE FUNCTION app.helper(")
    assert found["public.audit()"].trigger
    assert (found["public.run()"].kind, found["public.run()"].volatility) == ("p", "v")
    assert (found["public.atomic()"].atomic, found["public.atomic()"].returns_set) == (True, True)
    assert (found["public.total(integer)"].kind, found["public.total(integer)"].runs) == ("a", ("sum_step",))
    assert not any(r.schema in ("pg_catalog", "information_schema", "harness") for r in catalog.routines)
    assert {"now", "pg_advisory_xact_lock"} <= catalog.builtins
    assert catalog.operators == {"====": {"same"}}


def test_relations(catalog: Catalog) -> None:
    assert catalog.relations.keys() >= {"users", "charges", "parts", "seen", "stored", "secret", "log"}
    assert (catalog.root("parts_1"), catalog.root("old_child"), catalog.root("log")) == ("parts", "old_style", "log")
    assert "parts_1" not in catalog.relations
    assert catalog.sequence_columns == {
        "app.users": {"id": "app.users.id", "code": "app.users.code", "number": "app.users.number"},
        "charges": {"user_id": "app.users.id"}, "notes": {"code": "app.users.code"},
    }  # fmt: skip
    [trigger] = catalog.relations["charges"].triggers
    assert (trigger.function, trigger.events, trigger.row, trigger.before) == (
        "audit", {"insert", "update"}, False, False
    )  # fmt: skip
    assert {(k.child, k.parent, k.on_delete, k.deferrable) for k in catalog.keys} == {
        ("charges", "users", "c", False), ("notes", "users", "n", True)
    }  # fmt: skip
    assert catalog.rechecked == {"swapped", "busy", "part_keys"}


@pytest.mark.parametrize(
    ("sql", "reads", "writes"),
    [
        ("INSERT INTO app.users (name) VALUES ('a')", "log",
         "users sequence,users_id_seq sequence,users_code_seq sequence,numbers"),
        ("UPDATE app.users SET name = 'b'", "users log", "users"),
        ("UPDATE app.users SET id = 2", "users log", "users charges"),
        ("DELETE FROM app.users", "users", "users charges notes"),
        ("INSERT INTO charges VALUES (1)", "", "charges users log"),
        ("UPDATE charges SET other = 1", "charges", "charges log"), ("DELETE FROM charges", "charges", "charges"),
        ("SELECT FROM seen", "users log", ""), ("SELECT FROM stored", "stored", ""),
        ("SELECT FROM parts_1 FOR UPDATE", "parts", "parts"), ("SELECT FROM secret", "secret notes log", ""),
        ("SELECT total(x), '(1,1)'::point ==== '(1,1)' FROM log", "log", ""), ("SELECT atomic()", "log", ""),
        ("CALL run()", "", ""),
    ],
)  # fmt: skip
def test_footprints(catalog: Catalog, sql: str, reads: str, writes: str) -> None:
    assert footprint_of(sql, catalog) == Footprint(
        reads=frozenset(reads.split()), writes=frozenset(w.replace(",", " ") for w in writes.split())
    )


def test_what_a_rule_does_cannot_be_told(catalog: Catalog) -> None:
    assert footprint_of("INSERT INTO ruled VALUES (1)", catalog).everything


def test_reading_leaves_the_session_alone(new_database: Callable[..., psycopg.Connection[Any]]) -> None:
    connection = new_database()
    assert read_catalog(connection).routines == ()
    assert connection.execute("SELECT current_setting('search_path')").fetchone() == ('"$user", public',)
    connection.execute("BEGIN")
    connection.execute("CREATE TABLE only_here (a serial)")
    assert read_catalog(connection).sequence_columns == {"only_here": {"a": "only_here.a"}}
    connection.execute("ROLLBACK")
