"""What the text of a routine tells about its parameters and about the columns that it asks for."""

from __future__ import annotations

import pytest

from harness.sqltext.catalog import Routine
from harness.sqltext.uses import Uses, uses_of


def uses(source: str, *parameters: str, language: str = "plpgsql") -> Uses:
    routine = Routine(identity="public.f()", schema="public", name="f", language=language, definition="", source=source)
    return uses_of(routine, parameters)


def body(*statements: str, declare: str = "") -> str:
    return f"DECLARE x int; {declare} BEGIN {' '.join(f'{s};' for s in statements)} END"


@pytest.mark.parametrize(
    ("statement", "met"),
    [
        ("SELECT a INTO x FROM t WHERE id = p_id", {("id", "compared")}),
        ("SELECT a INTO x FROM t WHERE id IN (p_id, 7)", {("id", "compared")}),
        ("SELECT a INTO x FROM t WHERE lower(id) = f.p_id::text", {("id", "compared")}),
        ("PERFORM 1 FROM t WHERE id = ANY (p_id)", {("id", "compared")}),
        ("UPDATE t SET n = n - p_id WHERE a = 1", {("n", "set")}),
        ("UPDATE t SET n = p_id", {("n", "set")}),
        ("INSERT INTO t (a, b) VALUES (1, p_id)", {("b", "inserted")}),
        ("INSERT INTO t VALUES (1, p_id)", {("#1", "inserted")}),
        ("INSERT INTO t (a, b) SELECT p_id, 2", {("a", "inserted")}),
        ("PERFORM g(1, p_id)", {("g", "passed")}),
        ("IF p_id < 0 THEN RETURN; END IF", set()),
    ],
)
def test_a_parameter_meets_a_column(statement: str, met: set[tuple[str, str]]) -> None:
    assert {(u.column, u.how) for u in uses(body(statement), "p_id").uses} == met


def test_parameters_without_names_go_by_number() -> None:
    found = uses("UPDATE t SET a = $2 WHERE k = $1", "", "", language="sql")
    assert {(u.parameter, u.column, u.how) for u in found.uses} == {(0, "k", "compared"), (1, "a", "set")}


def test_words_that_are_compared_come_before_words_that_are_set() -> None:
    found = uses(
        body("UPDATE t SET status = 'done' WHERE status IN ('open', 'held')", "IF v_status <> 'x' THEN END IF")
    )
    assert found.literals == {"status": ("open", "held", "done"), "v_status": ("x",)}


def test_json_is_asked_for_keys() -> None:
    loop = "FOR r IN SELECT * FROM jsonb_array_elements(p) LOOP x := (r ->> 'qty')::int + length(r ->> 'sku'); END LOOP"
    found = uses(body(loop, declare="r record;"), "p")
    assert (found.listed, dict(found.keys)) == (True, {"qty": "int4", "sku": "text"})
    assert uses(body("PERFORM 1 FROM t WHERE t.meta ->> 'job' = p"), "p").members == {"meta": ("job",)}


def test_tables_that_are_only_inserted_into_are_not_looked_at() -> None:
    found = uses(body("INSERT INTO log VALUES (1)", "UPDATE a SET n = 1", "PERFORM 1 FROM b", "DELETE FROM c"))
    assert found.looked == {"a", "b", "c"}


def test_who_asks_is_compared_like_a_column() -> None:
    assert uses(body("IF auth.role() <> 'service_role' THEN RETURN; END IF")).literals == {"role": ("service_role",)}


def test_settings_and_numbers() -> None:
    found = uses(
        body("PERFORM current_setting('app.user', true)", "IF x > 500 THEN RETURN; END IF", "PERFORM auth.uid()")
    )
    assert found.settings == ("app.user",)
    assert 500 in found.numbers
    assert "auth.uid" in found.called


@pytest.mark.parametrize("source", ["no PL/pgSQL", "BEGIN EXECUTE p; END", ""])
def test_nothing_is_known_of_what_cannot_be_read(source: str) -> None:
    assert uses(source, "p").uses == ()
