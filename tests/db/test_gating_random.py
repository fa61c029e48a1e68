"""Any small PL/pgSQL function, put together at random, does with gates what it did without."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from gate_samples import TABLES
from gated import Shown, Watched, gate, ledger, sign_of_life, take_control
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.db import connect
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

IDS = st.integers(1, 5)
NUMBERS = st.integers(-12, 12)
LOCKS = st.sampled_from(["", " FOR UPDATE", " FOR SHARE OF a", " ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"])
GAPS = st.sampled_from(["\n", " ", "", "\n\n  ", " -- end; of line\n", " /* UPDATE a; */ "])
CONDITIONS = st.sampled_from([
    "FOUND", "NOT FOUND", "v > 11", "v IS NULL", "EXISTS (SELECT 1 FROM a WHERE n > 25)", "(SELECT sum(n) FROM a) > v",
    "(SELECT NULL::boolean FROM b LIMIT 1)", "count(*) > 2 FROM b", "v = (SELECT n FROM a WHERE id = 1) OR c = 1",
    "touch(2) > 0", "s LIKE '%;%'",
])  # fmt: skip
SIMPLE = st.one_of(
    st.builds("UPDATE a SET n = n + {} WHERE id = {};".format, NUMBERS, IDS),
    st.builds("UPDATE a SET n = n + {} WHERE id = {} OR n = 20 RETURNING n INTO v;".format, NUMBERS, IDS),
    st.builds("UPDATE a SET t = b.n::text FROM b WHERE b.a_id = a.id AND b.n = {};".format, NUMBERS),
    st.builds("SELECT n INTO v FROM a WHERE id = {}{};".format, IDS, LOCKS),
    st.builds("SELECT n, id INTO STRICT v, c FROM a WHERE id = {};".format, IDS),
    st.builds("INSERT INTO a VALUES ({}, {}) ON CONFLICT (id) DO UPDATE SET n = a.n + 1;".format, IDS, NUMBERS),
    st.builds("INSERT INTO a (id, n) SELECT {}, {} WHERE NOT FOUND;".format, IDS, NUMBERS),
    st.builds("INSERT INTO b (n) SELECT {0} WHERE NOT EXISTS (SELECT FROM b WHERE n = {0});".format, NUMBERS),
    st.builds("DELETE FROM b WHERE n = {};".format, NUMBERS),
    st.builds("DELETE FROM a WHERE id = {} RETURNING n INTO v;".format, IDS),
    st.builds("PERFORM 1 FROM a WHERE n > {};".format, NUMBERS),
    st.builds("PERFORM touch({});".format, IDS),
    st.builds("v := touch({}) + (SELECT count(*) FROM b);".format, IDS),
    st.builds("EXECUTE 'UPDATE a SET n = n + 1 WHERE id = $1' USING {};".format, IDS),
    st.builds("EXIT WHEN {};".format, CONDITIONS).map(lambda s: f"LOOP {s} EXIT; END LOOP;"),
    st.builds("RETURN s || coalesce((SELECT max(n) FROM a WHERE id = {}), 0);".format, IDS),
    st.builds("ASSERT {}, 'asserted';".format, CONDITIONS),
    st.sampled_from([
        "IF FOUND THEN s := s || 'f'; END IF;", "GET DIAGNOSTICS c = ROW_COUNT; s := s || c;", "s := s || ';';",
        "v := (SELECT max(n) FROM a);", "RAISE NOTICE '% %', s, (SELECT count(*) FROM b);", "NULL;",
        "RAISE EXCEPTION 'at %', (SELECT max(n) FROM a) USING ERRCODE = 'P0007';", "s := s || coalesce(v::text, '-');",
        "WITH up AS (UPDATE a SET n = n + 1 RETURNING id) INSERT INTO b (n) SELECT id FROM up WHERE id < 3;",
        "FOR r IN SELECT id FROM a ORDER BY id LOOP s := s || r.id; END LOOP;",
    ]),
)  # fmt: skip


def bodies(inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(st.tuples(inside, GAPS), min_size=1, max_size=3).map(lambda pairs: "".join(s + g for s, g in pairs))


def compound(inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = bodies(inside)
    return st.one_of(
        st.builds("IF {} THEN\n {} ELSIF {} THEN {} ELSEIF {} THEN {} END IF;".format,
                  CONDITIONS, body, CONDITIONS, body, CONDITIONS, body),
        st.builds("IF {} THEN {} ELSIF {} THEN {} ELSE {} END IF;".format, CONDITIONS, body, CONDITIONS, body, body),
        st.builds("CASE WHEN {} THEN {} WHEN {} THEN {} ELSE {} END CASE;".format,
                  CONDITIONS, body, CONDITIONS, body, body),
        st.builds("CASE v WHEN 1, (SELECT n FROM a LIMIT 1) THEN {} WHEN touch(3) THEN {} ELSE {} END CASE;".format,
                  body, body, body),
        st.builds("<<w>>\nWHILE i < 2 AND ({}) LOOP i := i + 1; {} CONTINUE w WHEN i = 1; {} END LOOP w;".format,
                  CONDITIONS.filter(lambda c: "count(*) > 2" not in c), body, body),
        st.builds("FOR r IN SELECT id FROM a ORDER BY id{} LOOP {} END LOOP;".format,
                  st.sampled_from(["", " FOR UPDATE"]), body),
        st.builds("FOR k IN 1..(SELECT count(*) FROM b) LOOP {} EXIT WHEN k = 2; END LOOP;".format, body),
        st.builds("DECLARE v integer := (SELECT min(n) FROM a); z text = touch(1); BEGIN {} END;".format, body),
        st.builds("BEGIN {} EXCEPTION WHEN check_violation OR assert_failure THEN {} WHEN OTHERS THEN "
                  "s := s || SQLSTATE; {} END;".format, body, body, body),
    )  # fmt: skip


FUNCTIONS = bodies(st.recursive(SIMPLE, compound, max_leaves=6)).map(
    lambda body: (
        "CREATE OR REPLACE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $f$\n"
        "DECLARE v integer := (SELECT max(n) FROM a); c integer; i integer := 0; r record; s text := '';\n"
        f"BEGIN {body}\n"
        "  RETURN s; END$f$"
    )
)
TOUCH = (
    "CREATE FUNCTION touch(k integer) RETURNS integer LANGUAGE plpgsql AS $$BEGIN UPDATE a SET n = n + 1 WHERE id = k;"
    " RETURN k; END$$"
)


@pytest.fixture(scope="module")
def pair(target: EmbeddedTarget, databases: Databases) -> Iterator[tuple[Watched, Watched]]:
    """Sessions in two equal databases; in the second one under control."""
    names = [databases.clone(databases.template([])) for _ in range(2)]
    plain, gated, controller = (
        closing(connect(target.conninfo(name), application_name="random")) for name in (*names, names[1])
    )
    with plain as one, gated as two, controller as three:
        for connection in (one, two):
            connection.execute(f"{TABLES}; {TOUCH}".encode())
        sign_of_life(three)
        take_control(two)
        yield Watched(one), Watched(two)
    for name in names:
        databases.drop(name)


def comparable(shown: Shown) -> Shown:
    """A condition that was spelt out stands on another line, or is another kind of statement, in an error's CONTEXT."""
    context = re.sub(r"line \d+ at (IF|CASE|WHILE)", "line N at IF", shown.context or "")
    return replace(shown, context=context)


@given(function=FUNCTIONS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_random_function_with_gates_does_what_it_did_without(pair: tuple[Watched, Watched], function: str) -> None:
    plain, gated = pair
    for one in pair:
        one.connection.execute("BEGIN")
        one.connection.execute(function.encode())
    try:
        gates = gate(gated.connection, ["SELECT f()"])
        assert gates.opaque == ()
        gated.turns.clear()
        for one in pair:
            one.connection.execute("SAVEPOINT before")
        before, after = plain.run("SELECT f()"), gated.run("SELECT f()")
        for one, shown in zip(pair, (before, after), strict=True):
            if shown.sqlstate:
                one.connection.execute("ROLLBACK TO before")
        assert comparable(after) == comparable(before)
        assert ledger(gated.connection) == ledger(plain.connection)
        assert gated.sites, "the first declaration alone has one"
    finally:
        for one in pair:
            one.connection.execute("ROLLBACK")
            one.connection.execute("ALTER SEQUENCE b_id_seq RESTART 3")
