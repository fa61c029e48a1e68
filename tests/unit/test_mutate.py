"""Mutation operators on texts: what they change, what they leave alone, and what the change is called."""

from __future__ import annotations

import pytest

from harness.sqltext import Catalog
from harness.sqltext.catalog import Relation, Routine, Trigger
from harness.sqltext.mutate import Mutation, distinct, mutations_of
from harness.sqltext.mutate_query import condition_changes, lock_changes
from harness.sqltext.plcheck import disagreement
from harness.sqltext.tokens import edited


def routine(
    body: str, name: str = "f", language: str = "plpgsql", head: str = "", kind: str = "f", returns: str = "void"
) -> Routine:
    start = f'PROCEDURE public."{name}"()' if kind == "p" else f'FUNCTION public."{name}"() RETURNS {returns}'
    definition = f"CREATE OR REPLACE {start}\n LANGUAGE {language}\n{head}AS $f${body}$f$\n"
    return Routine(
        identity=f"public.{name}()", schema="public", name=name, language=language, definition=definition, source=body,
        kind=kind,
    )  # fmt: skip


def catalog(*routines: Routine, **relations: Relation) -> Catalog:
    names = {name: Relation(name=name) for name in "abc"}
    return Catalog(routines=routines, relations=names | relations, builtins=frozenset({"now", "count"}))


def mutants(one: Routine, *others: Routine, alone: bool = False) -> list[Mutation]:
    found = mutations_of(one, catalog(one, *others), called_alone=alone)
    assert found.reason == ""
    return list(distinct(found.mutations))


def body_of(mutation: Mutation) -> str:
    head, body, tail = mutation.sql.split("$f$")
    assert head.startswith("CREATE OR REPLACE")
    assert tail == "\n"
    return body


def bodies(body: str, operator: str, *others: Routine, language: str = "plpgsql") -> list[str]:
    found = mutants(routine(body, language=language), *others)
    return [body_of(m) for m in found if m.operator == operator]


# --------------------------------------------------------------------------------------------------- inside queries


@pytest.mark.parametrize(
    ("sql", "dropped", "shared", "skipped"),
    [
        ("SELECT x FROM a FOR UPDATE", "SELECT x FROM a ", "SELECT x FROM a FOR SHARE",
         "SELECT x FROM a FOR UPDATE SKIP LOCKED"),
        ("SELECT x FROM a, b FOR NO KEY UPDATE OF a, s.b NOWAIT", "SELECT x FROM a, b ",
         "SELECT x FROM a, b FOR SHARE OF a, s.b NOWAIT",
         "SELECT x FROM a, b FOR NO KEY UPDATE OF a, s.b SKIP LOCKED"),
        ("SELECT x FROM a FOR /* ; */ SHARE LIMIT 1", "SELECT x FROM a  LIMIT 1", None,
         "SELECT x FROM a FOR /* ; */ SHARE SKIP LOCKED LIMIT 1"),
        ("SELECT x FROM a FOR KEY SHARE", "SELECT x FROM a ", None, "SELECT x FROM a FOR KEY SHARE SKIP LOCKED"),
        ("SELECT x FROM a FOR UPDATE SKIP LOCKED", "SELECT x FROM a ", "SELECT x FROM a FOR SHARE SKIP LOCKED", None),
        ("UPDATE a SET x = 1 WHERE id IN (SELECT id FROM b FOR UPDATE)",
         "UPDATE a SET x = 1 WHERE id IN (SELECT id FROM b )",
         "UPDATE a SET x = 1 WHERE id IN (SELECT id FROM b FOR SHARE)",
         "UPDATE a SET x = 1 WHERE id IN (SELECT id FROM b FOR UPDATE SKIP LOCKED)"),
        ("SELECT substring(x for 3), 'FOR UPDATE' FROM a -- FOR UPDATE", None, None, None),
        ("UPDATE a SET x = 1", None, None, None),
    ],
)  # fmt: skip
def test_row_locks(sql: str, dropped: str | None, shared: str | None, skipped: str | None) -> None:
    found = {change.operator: edited(sql, change.edits) for change in lock_changes(sql)}
    expected = {"drop_lock": dropped, "weaken_lock_share": shared, "weaken_lock_skip": skipped}
    assert found == {operator: text for operator, text in expected.items() if text is not None}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("UPDATE a SET x = 1 WHERE id = 1 AND y = 'AND' RETURNING x",
         ["UPDATE a SET x = 1 WHERE y = 'AND' RETURNING x", "UPDATE a SET x = 1 WHERE id = 1  RETURNING x"]),
        ("DELETE FROM a WHERE id = 1", ["DELETE FROM a "]),
        ("DELETE FROM a WHERE x OR y AND z", ["DELETE FROM a "]),
        ("SELECT 1 FROM a WHERE d BETWEEN 1 AND 2 AND x FOR UPDATE",
         ["SELECT 1 FROM a WHERE x FOR UPDATE", "SELECT 1 FROM a WHERE d BETWEEN 1 AND 2  FOR UPDATE"]),
        ("SELECT 1 FROM a WHERE CASE WHEN x AND y THEN z END AND (x OR y)",
         ["SELECT 1 FROM a WHERE (x OR y)", "SELECT 1 FROM a WHERE CASE WHEN x AND y THEN z END "]),
        ("SELECT 1 FROM a WHERE (x AND y) AND (y AND z)", ["SELECT 1 FROM a WHERE (y AND z)",
                                                           "SELECT 1 FROM a WHERE (x AND y) "]),
        ("INSERT INTO a SELECT 1 WHERE NOT EXISTS (SELECT FROM b WHERE x /* AND */ AND y) ON CONFLICT DO NOTHING",
         ["INSERT INTO a SELECT 1  ON CONFLICT DO NOTHING",
          "INSERT INTO a SELECT 1 WHERE NOT EXISTS (SELECT FROM b WHERE y) ON CONFLICT DO NOTHING",
          "INSERT INTO a SELECT 1 WHERE NOT EXISTS (SELECT FROM b WHERE x /* AND */ ) ON CONFLICT DO NOTHING"]),
        ("INSERT INTO a VALUES (1) ON CONFLICT (x) WHERE y DO UPDATE SET x = 2 WHERE a.x AND a.y",
         ["INSERT INTO a VALUES (1) ON CONFLICT (x) WHERE y DO UPDATE SET x = 2 WHERE a.y",
          "INSERT INTO a VALUES (1) ON CONFLICT (x) WHERE y DO UPDATE SET x = 2 WHERE a.x "]),
        ("SELECT count(*) FILTER (WHERE x AND y) FROM a", []),
        ("UPDATE a SET x = 1 WHERE CURRENT OF k", []),
        ("SELECT 1 FROM a -- WHERE x AND y", []),
        ('SELECT a."where" AND x FROM a', []),
    ],
)  # fmt: skip
def test_conditions(sql: str, expected: list[str]) -> None:
    assert [edited(sql, change.edits) for change in condition_changes(sql)] == expected


def test_what_is_no_sql_gives_nothing() -> None:
    assert list(condition_changes("WHERE WHERE AND")) == []
    assert list(lock_changes("FOR UPDATE")) == []


# ------------------------------------------------------------------------------------------------------- statements

NESTED = """
DECLARE v int; -- SELECT x FROM a FOR UPDATE;
BEGIN
  BEGIN
    IF v = 1 THEN RAISE NOTICE 'told'; ELSIF EXISTS (SELECT FROM b WHERE y AND z FOR UPDATE) THEN
      UPDATE a SET t = 'x; y' WHERE id = v; RETURN; /* ; */
    ELSE RAISE EXCEPTION 'no'; END IF;
  EXCEPTION WHEN unique_violation THEN
    INSERT INTO c VALUES ($q$a; b$q$); DELETE FROM b;
  END;
END"""


def test_statements_of_nested_blocks_branches_and_handlers() -> None:
    found = [(m.name, m.before, m.after) for m in mutants(routine(NESTED))]
    assert found == [
        ("f:5 drop_guard", "ELSIF EXISTS (SELECT FROM b WHERE y AND z FOR UPDATE) THEN UPDATE a SET t = 'x; y' "
         "WHERE id = v; RETURN", "ELSIF false THEN …"),
        ("f:5 drop_conjunct", "WHERE y", ""),
        ("f:5 drop_conjunct (2)", "AND z", ""),
        ("f:5 drop_lock", "FOR UPDATE", ""),
        ("f:5 weaken_lock_share", "FOR UPDATE", "FOR SHARE"),
        ("f:5 weaken_lock_skip", "FOR UPDATE", "FOR UPDATE SKIP LOCKED"),
        ("f:6 drop_statement", "UPDATE a SET t = 'x; y' WHERE id = v", ""),
        ("f:6 drop_conjunct", "WHERE id = v", ""),
        ("f:9 drop_statement", "INSERT INTO c VALUES ($q$a; b$q$)", ""),
        ("f:9 swap_statements", "INSERT INTO c VALUES ($q$a;…; DELETE FROM b",
         "DELETE FROM b; INSERT INTO c VALUES ($q$a;…"),
        ("f:9 drop_statement (2)", "DELETE FROM b", ""),
    ]  # fmt: skip
    for mutation in mutants(routine(NESTED)):
        assert body_of(mutation).count("\n") == NESTED.count("\n")
        assert disagreement(mutation.sql, body_of(mutation)) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("BEGIN UPDATE a SET x = 1; v := 2; RETURN; END", ["BEGIN v := 2; UPDATE a SET x = 1; RETURN; END"]),
        ("BEGIN v := 1; v := 2; UPDATE a SET x = v; END", ["BEGIN v := 1; UPDATE a SET x = v; v := 2; END"]),
        ("BEGIN DELETE FROM a; DELETE  FROM a; END", []),
        ("BEGIN UPDATE a SET x = 1; IF NOT FOUND THEN RETURN; END IF; END", []),
        ("BEGIN UPDATE a SET x = 1; GET DIAGNOSTICS v = ROW_COUNT; END", []),
    ],
)
def test_swapped_statements(body: str, expected: list[str]) -> None:
    assert bodies(f"DECLARE v int; {body}", "swap_statements") == [f"DECLARE v int; {e}" for e in expected]


@pytest.mark.parametrize(
    ("statement", "gone"),
    [
        ("UPDATE a SET x = 1", True),
        ("PERFORM 1 FROM a WHERE id = 1 FOR UPDATE", True),
        ("PERFORM pg_advisory_xact_lock(1)", True),
        ("LOCK TABLE a", True),
        ("SELECT x INTO v FROM a FOR UPDATE", False),
        ("SELECT x INTO v FROM a", False),
        ("v := helper()", True),
        ("SELECT helper() INTO v", True),
        ("v := now()", False),
        ("RAISE NOTICE 'x'", False),
        ("EXECUTE 'DELETE FROM a'", True),
        ("FOR v IN 1..2 LOOP NULL; END LOOP", False),
    ],
)
def test_dropped_statements(statement: str, gone: bool) -> None:
    helper = routine("BEGIN DELETE FROM b; RETURN 1; END", name="helper")
    found = bodies(f"DECLARE v int; BEGIN {statement}; END", "drop_statement", helper)
    assert found == (["DECLARE v int; BEGIN NULL; END"] if gone else [])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("IF x > 0 THEN RETURN; END IF;", "IF false THEN RETURN; END IF;"),
        ("IF NOT FOUND /* ; */ THEN RAISE 'no'; END IF;", "IF false /* ; */ THEN RAISE 'no'; END IF;"),
        ("IF x THEN v := 1; RAISE EXCEPTION 'no'; ELSE v := 2; END IF;",
         "IF false THEN v := 1; RAISE EXCEPTION 'no'; ELSE v := 2; END IF;"),
        ("IF x THEN RAISE; END IF;", "IF false THEN RAISE; END IF;"),
        ("IF x THEN RAISE WARNING 'told'; END IF;", None),
        ("IF x THEN v := 1; END IF;", None),
        ("IF false THEN RETURN; END IF;", None),
    ],
)  # fmt: skip
def test_guards(body: str, expected: str | None) -> None:
    found = bodies(f"DECLARE v int; x int; BEGIN {body} END", "drop_guard")
    assert found == ([] if expected is None else [f"DECLARE v int; x int; BEGIN {expected} END"])


@pytest.mark.parametrize(
    ("read", "write", "expected"),
    [
        ("SELECT x INTO v FROM a", "UPDATE a SET x = x + 1", "UPDATE a SET x = v + 1"),
        ("SELECT q.y, q.x INTO w, v FROM s.a AS q FOR UPDATE", "UPDATE s.a AS q SET y = 0, x = q.x - w WHERE q.x = 1",
         "UPDATE s.a AS q SET y = 0, x = v - w WHERE q.x = 1"),
        ("SELECT * INTO r FROM a", "UPDATE a SET x = a.x + 1", "UPDATE a SET x = r.x + 1"),
        ("SELECT x, y INTO r FROM a", "UPDATE a SET y = y - 1", "UPDATE a SET y = r.y - 1"),
        ("SELECT x INTO v FROM b", "UPDATE a SET x = x + 1", None),
        ("SELECT x + 1 INTO v FROM a", "UPDATE a SET x = x + 1", None),
        ("SELECT a.x INTO v FROM a JOIN b ON true", "UPDATE a SET x = x + 1", None),
        ("SELECT y INTO v FROM a", "UPDATE a SET x = x + 1", None),
        ("SELECT x INTO v FROM a", "UPDATE a SET x = x * 2", None),
        ("SELECT x INTO v FROM a", "UPDATE a SET x = y + x", None),
    ],
)  # fmt: skip
def test_absolute_writes(read: str, write: str, expected: str | None) -> None:
    body = f"DECLARE v int; w int; r record; BEGIN {read}; {write}; END"
    assert bodies(body, "absolute_write") == ([] if expected is None else [body.replace(write, expected)])


# --------------------------------------------------------------------------------------------------- whole routines


def test_a_procedure_commits_between_its_statements() -> None:
    body = "BEGIN UPDATE a SET x = 1; v := 1; FOR i IN 1..2 LOOP DELETE FROM b; END LOOP; INSERT INTO c VALUES (1); END"
    one = routine(f"DECLARE v int; {body}", kind="p")
    found = [body_of(m) for m in mutants(one, alone=True) if m.operator == "split_transaction"]
    assert found == [
        f"DECLARE v int; {body.replace('x = 1;', 'x = 1; COMMIT;')}",
        f"DECLARE v int; {body.replace('END LOOP;', 'END LOOP; COMMIT;')}",
    ]
    assert all(m.operator != "split_transaction" for m in mutants(one))
    for head in (" SECURITY DEFINER\n", " SET search_path TO 'public'\n"):
        closed = routine(f"DECLARE v int; {body}", kind="p", head=head)
        assert all(m.operator != "split_transaction" for m in mutants(closed, alone=True))


def test_sql_functions() -> None:
    body = "\n  -- first; the row\n  SELECT x FROM a WHERE id = $1 FOR UPDATE; UPDATE a SET x = 1;\n  SELECT 'done'"
    found = {(m.line, m.operator): body_of(m) for m in mutants(routine(body, language="sql"))}
    assert set(found) == {
        (3, operator)
        for operator in (
            "drop_conjunct", "drop_lock", "weaken_lock_share", "weaken_lock_skip", "drop_statement", "swap_statements",
        )
    }  # fmt: skip
    assert found[3, "drop_lock"] == body.replace("FOR UPDATE", "")
    assert found[3, "drop_conjunct"] == body.replace("WHERE id = $1 ", " ")


def test_a_body_that_begins_atomic() -> None:
    text = "BEGIN ATOMIC\n SELECT a.x FROM a FOR UPDATE OF a;\n UPDATE a SET x = 1\n   WHERE (a.id = 1);\nEND"
    one = Routine(
        identity="public.f()", schema="public", name="f", language="sql", source="", atomic=True,
        definition=f"CREATE OR REPLACE FUNCTION public.f()\n RETURNS void\n LANGUAGE sql\n{text}\n",
    )  # fmt: skip
    found = {m.operator: m.sql for m in mutants(one)}
    assert "drop_lock" in found
    assert found["drop_conjunct"].endswith(text.replace("WHERE (a.id = 1)", "").removeprefix("BEGIN ATOMIC") + "\n")
    assert found["swap_statements"].index("UPDATE") < found["swap_statements"].index("SELECT")


def test_queries_in_declarations_conditions_and_loops() -> None:
    body = (
        "DECLARE v int := (SELECT x FROM a WHERE id = 1); k CURSOR FOR SELECT x FROM a FOR UPDATE;\nBEGIN\n"
        "WHILE EXISTS (SELECT FROM a WHERE x) LOOP NULL; END LOOP;\nFOR v IN SELECT x FROM b WHERE y LOOP NULL;\n"
        "END LOOP; RETURN QUERY DELETE FROM c WHERE z RETURNING z; PERFORM 1 FROM a WHERE u; END"
    )
    found = {
        (m.line, m.before)
        for m in mutants(routine(body, returns="SETOF int"))
        if m.operator in ("drop_conjunct", "drop_lock")
    }
    assert found == {
        (1, "WHERE id = 1"), (1, "FOR UPDATE"), (3, "WHERE x"), (4, "WHERE y"), (5, "WHERE z"), (5, "WHERE u"),
    }  # fmt: skip


def test_overloads_have_numbers_and_no_two_names_are_alike() -> None:
    one, two = routine("BEGIN DELETE FROM a; DELETE FROM b; END"), routine("BEGIN DELETE FROM a; END")
    two = Routine(
        identity="public.f(int)", schema="public", name="f", language="plpgsql", definition=two.definition,
        source=two.source,
    )  # fmt: skip
    names = [m.name for m in mutants(one, two)]
    assert names == ["f:1 drop_statement", "f:1 swap_statements", "f:1 drop_statement (2)"]
    assert [m.name for m in mutations_of(two, catalog(one, two)).mutations] == ["f#2:1 drop_statement"]


def test_why_there_are_none() -> None:
    strange = Routine(
        identity="public.f()", schema="public", name="f", language="plpython3u", definition="x", source="x"
    )
    assert mutations_of(strange, catalog()).reason == "language plpython3u"
    broken = routine("BEGIN IF THEN END")
    assert mutations_of(broken, catalog()).reason.startswith("not understood: ")
    assert mutations_of(broken, catalog()).mutations == ()


def test_a_trigger_that_writes_makes_a_statement_one_that_writes_more() -> None:
    trigger = Trigger(function="t", events=frozenset({"insert"}))
    one = routine("BEGIN INSERT INTO a VALUES (1); END")
    found = mutations_of(one, catalog(one, a=Relation(name="a", triggers=(trigger,))))
    assert [m.operator for m in found.mutations] == ["drop_statement"]
