"""Gates put into the text of a function: where they stand, what they are called, what is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import Footprint, Opaque, SiteKind
from harness.sqltext import Catalog, Instrumented, SqlSyntaxError, instrument
from harness.sqltext.catalog import Relation, Routine, Trigger
from harness.sqltext.overlap import overlap_edits
from harness.sqltext.plpgsql import read_body
from harness.sqltext.plsyntax import statements
from harness.sqltext.tokens import Edit, edited, scan


def routine(
    body: str, name: str = "f", language: str = "plpgsql", head: str = "() RETURNS text", **more: object
) -> Routine:
    definition = (
        f'CREATE OR REPLACE FUNCTION public."{name}"{head}\n LANGUAGE {language}\nAS $function${body}$function$\n'
    )
    return Routine(
        identity=f"public.{name}{head.split(' RETURNS')[0]}", schema="public", name=name, language=language,
        definition=definition, source=body, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def catalog(*routines: Routine, **relations: Relation) -> Catalog:
    names = {name: Relation(name=name) for name in "abc"}
    return Catalog(routines=routines, relations=names | relations, builtins=frozenset({"now", "count", "format"}))


def gated(body: str, *others: Routine, **more: object) -> Instrumented:
    one = routine(body, **more)  # type: ignore[arg-type]
    return instrument(one, catalog(one, *others), 7)


def body_of(made: Instrumented) -> str:
    return made.sql.split("$function$")[1]


# ----------------------------------------------------------------------------------------------------- PL/pgSQL


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("BEGIN SELECT x INTO v FROM a; END", "BEGIN {7}SELECT x INTO v FROM a; END"),
        ("BEGIN v := now(); PERFORM f(); RETURN v; END", None),
        ("BEGIN\n  v := (TABLE a);\nEND", "BEGIN\n  {7}v := (TABLE a);\nEND"),
        ("BEGIN UPDATE a SET x = 1; END", "BEGIN {7}UPDATE a SET x = 1 WHERE <8>; END"),
        ("BEGIN UPDATE a SET x = 1 WHERE y OR z RETURNING x INTO v; END",
         "BEGIN {7}UPDATE a SET x = 1 WHERE <8> AND ( y OR z) RETURNING x INTO v; END"),
        ("BEGIN SELECT x INTO STRICT v FROM a FOR UPDATE; END",
         "BEGIN {7}SELECT x INTO STRICT v FROM a WHERE <8> FOR UPDATE; END"),
        ("BEGIN IF true THEN NULL; ELSIF (TABLE a) THEN NULL; ELSE NULL; END IF; END",
         "BEGIN IF true THEN NULL; ELSE {7}IF (TABLE a) THEN NULL; ELSE NULL; END IF; END IF; END"),
        ("BEGIN <<l>> WHILE (TABLE a)\nLOOP NULL; END LOOP l; END",
         "BEGIN <<l>> LOOP {7}IF (TABLE a)\nTHEN NULL; ELSE EXIT; END IF; NULL; END LOOP l; END"),
        ("BEGIN CASE WHEN true THEN NULL; WHEN (TABLE a) THEN NULL; END CASE; END",
         "BEGIN CASE WHEN true THEN NULL; ELSE {7}CASE WHEN (TABLE a) THEN NULL; END CASE; END CASE; END"),
        ("DECLARE x int := (TABLE a); BEGIN END",
         "DECLARE harness_gate_7 boolean := harness.gate(7); x int := (TABLE a); BEGIN END"),
        ("#variable_conflict error\nBEGIN <<l>>\nLOOP EXIT WHEN (TABLE a); END LOOP; END",
         "#variable_conflict error\nBEGIN <<l>>\nLOOP {7}EXIT WHEN (TABLE a); END LOOP; END"),
        ("BEGIN <<l>>\nFOR r IN TABLE a LOOP END LOOP; END", "BEGIN {7}<<l>>\nFOR r IN TABLE a LOOP END LOOP; END"),
        ("BEGIN UPDATE a SET x = 1 WHERE CURRENT OF k; END", "BEGIN {7}UPDATE a SET x = 1 WHERE CURRENT OF k; END"),
    ],
)  # fmt: skip
def test_gates_stand_before_what_touches(body: str, expected: str | None) -> None:
    body = body if body.startswith(("DECLARE x", "#")) else f"DECLARE v int; r record; k CURSOR FOR TABLE b; {body}"
    made = gated(body)
    assert made.opaque is None
    if expected is None:
        assert (made.sql, made.sites) == ("", ())
        return
    for number in (7, 8):
        expected = expected.replace(f"{{{number}}}", f"IF harness.gate({number}) THEN NULL; END IF; ")
        expected = expected.replace(f"<{number}>", f"(SELECT harness.gate({number}))")
    assert body_of(made).endswith(expected)
    assert [s.number for s in made.sites] == list(range(7, 7 + len(made.sites)))


def test_sites_say_where_they_are_and_what_they_touch() -> None:
    made = gated(
        "\nDECLARE v int;\nBEGIN\n  SELECT x INTO v FROM a; DELETE FROM b WHERE y = v; IF NOT EXISTS (TABLE c) THEN\n"
        "    INSERT INTO c\n      VALUES (1); END IF;\nEND"
    )
    assert [(s.number, s.id, s.line, s.kind, s.label) for s in made.sites] == [
        (7, "f:4", 4, SiteKind.STATEMENT, "f:4 SELECT a"),
        (8, "f:4.2", 4, SiteKind.STATEMENT, "f:4.2 DELETE b"),
        (9, "f:4.2~", 4, SiteKind.OVERLAP, "f:4.2 DELETE b, between snapshot and scan"),
        (10, "f:4.3", 4, SiteKind.STATEMENT, "f:4.3 IF NOT EXISTS c"),
        (11, "f:5", 5, SiteKind.STATEMENT, "f:5 INSERT c"),
    ]
    assert [(sorted(s.footprint.reads), sorted(s.footprint.writes)) for s in made.sites] == [
        (["a"], []), (["b"], []), (["b"], ["b"]), (["c"], []), ([], ["c"])
    ]  # fmt: skip
    assert made.sites[4].text == "INSERT INTO c VALUES (1)"
    assert {s.function for s in made.sites} == {"public.f()"}


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ("DECLARE k CURSOR FOR\n TABLE a; BEGIN OPEN k; CLOSE k; END", ["OPEN k FOR TABLE a"]),
        ("DECLARE k CURSOR (n int) FOR SELECT FROM a WHERE x = n; BEGIN OPEN k(1); END", ["OPEN k(1)"]),
        ("DECLARE k refcursor; BEGIN OPEN k FOR TABLE a; END", ["OPEN k FOR TABLE a"]),
        (
            "BEGIN DECLARE k CURSOR FOR TABLE a; BEGIN OPEN k; END; "
            "DECLARE k CURSOR FOR TABLE b; BEGIN OPEN k; END; END",
            ["OPEN k", "OPEN k"],
        ),
    ],
)
def test_who_opens_a_cursor_says_of_what(body: str, texts: list[str]) -> None:
    assert [s.text for s in gated(body).sites] == texts


def test_two_of_one_name_have_sites_of_different_names() -> None:
    one, two = (routine("BEGIN DELETE FROM a; END", head=head) for head in ("(int) RETURNS int", "(text) RETURNS int"))
    known = catalog(one, two)
    assert [s.id for r in (one, two) for s in instrument(r, known, 1).sites] == ["f:1", "f:1~", "f#2:1", "f#2:1~"]
    spaced = routine("BEGIN DELETE FROM a; END", name="a b")
    assert [s.id for s in instrument(spaced, catalog(spaced), 1).sites] == ["a_b:1", "a_b:1~"]


def test_blocks_with_exceptions_may_undo() -> None:
    made = gated(
        "BEGIN TABLE a INTO v; BEGIN DELETE FROM a; IF true THEN INSERT INTO a VALUES (1); END IF;\n"
        "EXCEPTION WHEN OTHERS THEN INSERT INTO b VALUES (1); END;\nINSERT INTO c VALUES (1); END".replace(
            "TABLE a INTO v", "LOCK a"
        )
    )
    assert [(s.id, s.undoes) for s in made.sites] == [
        ("f:1", False), ("f:1.2", True), ("f:1.2~", True), ("f:1.3", True), ("f:2", True), ("f:3", False)
    ]  # fmt: skip


def test_a_loop_over_locking_rows_goes_on_between_its_rounds() -> None:
    made = gated("DECLARE r record; BEGIN FOR r IN SELECT x FROM a FOR UPDATE LOOP INSERT INTO b VALUES (1); END LOOP;"
                 "INSERT INTO c VALUES (1); END")  # fmt: skip
    assert [sorted(s.footprint.writes) for s in made.sites] == [[], ["a"], ["a", "b"], ["c"]]


def test_nested_calls_count_where_their_gates_are() -> None:
    inner = routine("BEGIN UPDATE b SET x = 1; END", name="inner_one")
    stable = routine("SELECT x FROM c", name="stable_one", language="sql", volatility="s")
    one = routine(
        "DECLARE v int; BEGIN PERFORM inner_one(); v := inner_one();\nPERFORM stable_one();\n"
        "INSERT INTO a VALUES (inner_one()); END"
    )
    known = catalog(one, inner, stable)
    made = instrument(one, known, 1)
    assert [(s.id, s.footprint) for s in made.sites] == [
        ("f:2", Footprint(reads=frozenset("c"))), ("f:3", Footprint(writes=frozenset("a")))
    ]  # fmt: skip
    plain = instrument(one, known.but_plain({inner.identity: "refused"}), 1)
    assert [s.id for s in plain.sites] == ["f:1", "f:1.2", "f:2", "f:3"]


def test_a_trigger_before_the_statement_runs_before_the_overlap_point() -> None:
    early = Trigger(function="logs", events=frozenset({"update"}), row=False, before=True)
    logs = routine("SELECT x FROM c", name="logs", language="c")
    one = routine("BEGIN UPDATE a SET x = 1; END")
    made = instrument(one, catalog(one, logs, a=Relation(name="a", triggers=(early,))), 1)
    assert [s.footprint.everything for s in made.sites] == [True, True]
    row = Trigger(function="g", events=frozenset({"update"}), before=True)
    g = routine("BEGIN INSERT INTO b VALUES (1); RETURN NEW; END", name="g", head="() RETURNS trigger")
    made = instrument(one, catalog(one, g, a=Relation(name="a", triggers=(row,))), 1)
    assert [sorted(s.footprint.writes) for s in made.sites] == [[], ["a"]]


def test_a_procedure_that_commits() -> None:
    made = gated(
        "BEGIN INSERT INTO a VALUES (1); COMMIT;\nSET TRANSACTION READ WRITE; LOCK b; LOCK c;\nROLLBACK; LOCK c;\n"
        "IF true THEN LOCK c; END IF; END"
    )
    assert [(s.id, s.kind, sorted(s.footprint.excludes)) for s in made.sites] == [
        ("f:1", SiteKind.STATEMENT, []), ("f:1.2", SiteKind.COMMIT, ["b", "c"]), ("f:3", SiteKind.COMMIT, ["c"]),
        ("f:4", SiteKind.STATEMENT, ["c"]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"volatility": "s"}, "STABLE: it reads its caller's snapshot"), ({"volatility": "i"}, "IMMUTABLE"),
        ({"language": "plpython3u"}, "language plpython3u"), ({"extension": "x"}, "belongs to the extension x"),
        ({"kind": "w"}, "a window function"),
    ],
)  # fmt: skip
def test_what_bears_no_gates_says_why(more: dict[str, object], reason: str) -> None:
    made = gated("DELETE FROM a", **more) if "language" in more else gated("BEGIN DELETE FROM a; END", **more)
    assert made.sites == ()
    assert made.sql == ""
    assert made.opaque is not None
    assert made.opaque.reason == reason


def test_begin_atomic_is_left_alone() -> None:
    one = Routine(
        identity="public.f()", schema="public", name="f", language="sql", source="", atomic=True,
        definition="CREATE OR REPLACE FUNCTION public.f() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM a; END",
    )  # fmt: skip
    assert instrument(one, catalog(one), 1).opaque == Opaque(function="public.f()", reason="BEGIN ATOMIC")


def test_a_pure_helper_is_not_worth_a_word() -> None:
    assert gated("SELECT 1", language="sql", volatility="i") == Instrumented()
    assert gated("BEGIN RETURN 1; END") == Instrumented()


@pytest.mark.parametrize("body", ["BEGIN NOT PL; END", "BEGIN IF true THEN; END", "BEGIN DELETE FROM a; END; END", "x"])
def test_what_is_not_understood_is_left_alone(body: str) -> None:
    made = gated(body)
    assert (made.sql, made.sites) == ("", ())
    assert made.opaque is not None
    assert made.opaque.reason.startswith("not understood: ")


def test_what_other_parsers_take_for_granted_and_this_one_does_not_know() -> None:
    """Types of a catalog: rows, arrays of them, other schemas; VARIADIC."""
    made = gated(
        "DECLARE r a%ROWTYPE; s other.a; t a[]; n other.money := 1; al ALIAS FOR n; BEGIN r.x := 1; s.x := r.x;\n"
        "p.x := 1; DELETE FROM a; RETURN NULL; END",
        head="(p other.a, VARIADIC q other.b[] DEFAULT '{}') RETURNS other.a",
    )
    assert made.opaque is None
    assert [s.id for s in made.sites] == ["f:2", "f:2~"]


def test_a_copy_is_not_fit_for_parallel_workers() -> None:
    one = routine("BEGIN DELETE FROM a; END")
    safe = Routine(
        identity=one.identity, schema="public", name="f", language="plpgsql", source=one.source,
        definition=one.definition.replace(" LANGUAGE plpgsql\n", " LANGUAGE plpgsql\n PARALLEL SAFE COST 1\n"),
    )  # fmt: skip
    assert " COST 1\n" in instrument(safe, catalog(safe), 1).sql
    assert "PARALLEL" not in instrument(safe, catalog(safe), 1).sql


# ------------------------------------------------------------------------------------------------- SQL functions


def test_gates_of_an_sql_function() -> None:
    made = gated("\n  DELETE FROM a; -- c;\n  SELECT 1; SELECT x\n FROM b ", language="sql")
    assert body_of(made) == (
        "\n  SELECT harness.gate(7); DELETE FROM a WHERE (SELECT harness.gate(8)); -- c;\n"
        "  SELECT 1; SELECT harness.gate(9); SELECT x\n FROM b "
    )
    assert [s.id for s in made.sites] == ["f:2", "f:2~", "f:3"]
    assert gated("CREATE TABLE z (); TABLE a", language="sql").opaque is not None


# ----------------------------------------------------------------------------------------------------- overlap


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("UPDATE t SET a = 1", "UPDATE t SET a = 1 WHERE @"),
        ("UPDATE t SET a = CASE WHEN b THEN 1 END WHERE x", "UPDATE t SET a = CASE WHEN b THEN 1 END WHERE @ AND ( x)"),
        ("DELETE FROM t USING u WHERE t.a = u.a AND b RETURNING x",
         "DELETE FROM t USING u WHERE @ AND ( t.a = u.a AND b) RETURNING x"),
        ("DELETE FROM t -- no WHERE", "DELETE FROM t WHERE @ -- no WHERE"),
        ("SELECT a FROM t WHERE 'ґ' = b ORDER BY 1 LIMIT 1 FOR UPDATE SKIP LOCKED",
         "SELECT a FROM t WHERE @ AND ( 'ґ' = b) ORDER BY 1 LIMIT 1 FOR UPDATE SKIP LOCKED"),
        ("SELECT a AS where, t.order FROM t FOR SHARE", "SELECT a AS where, t.order FROM t WHERE @ FOR SHARE"),
        ("INSERT INTO t SELECT 1 WHERE NOT EXISTS (SELECT FROM t WHERE a) ON CONFLICT (x) WHERE y DO NOTHING "
         "RETURNING z",
         "INSERT INTO t SELECT 1 WHERE @ AND ( NOT EXISTS (SELECT FROM t WHERE a)) ON CONFLICT (x) WHERE y DO NOTHING "
         "RETURNING z"),
        ("INSERT INTO t SELECT 1 FROM a JOIN b ON a.x = b.x",
         "INSERT INTO t SELECT 1 FROM a JOIN b ON a.x = b.x WHERE @"),
        ("WITH w AS (DELETE FROM u WHERE a) INSERT INTO t (a) SELECT * FROM w GROUP BY 1",
         "WITH w AS (DELETE FROM u WHERE a) INSERT INTO t (a) SELECT * FROM w WHERE @ GROUP BY 1"),
        ("SELECT a FROM t", None), ("INSERT INTO t VALUES (1)", None), ("INSERT INTO t DEFAULT VALUES", None),
        ("UPDATE t SET a = 1 WHERE CURRENT OF c", None), ("INSERT INTO t SELECT 1 UNION SELECT 2", None),
        ("MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", None), ("SELECT (SELECT 1 FROM t FOR UPDATE)", None),
        ("WITH w AS (UPDATE t SET a = 1 RETURNING 1) SELECT 1 FROM w", None), ("nonsense", None), ("", None),
        ("DELETE FROM t; DELETE FROM t", None), ("LOCK TABLE t", None),
    ],
)  # fmt: skip
def test_overlap_points(sql: str, expected: str | None) -> None:
    edits = overlap_edits(sql, 3)
    if expected is None:
        assert edits == ()
    else:
        assert edited(sql, edits) == expected.replace("@", "(SELECT harness.gate(3))")


# ------------------------------------------------------------------------------------------------------- reading

SCRAPS = [
    "BEGIN ", "END", ";", "IF ", "THEN ", "ELSIF ", "END IF", "LOOP ", "END LOOP", "WHILE ", "FOR ", " IN ", "CASE ",
    "WHEN ", "DECLARE ", ":= ", "x", "1", "..", "(", ")", "[", "]", "<<", ">>", "EXCEPTION ", "SELECT ", "INTO ",
    "PERFORM ", "FETCH ", "OPEN ", "EXECUTE ", "USING ", "RETURN ", "QUERY ", "RAISE ", ",", "'", "$$", "--", "\n", "ґ",
    "CURSOR ", "#",
]  # fmt: skip


@given(st.lists(st.sampled_from(SCRAPS), max_size=25).map("".join))
def test_any_text_is_read_or_refused(body: str) -> None:
    for text in (body, f"BEGIN {body}; END", f"DECLARE {body}; BEGIN END"):
        try:
            block = read_body(text)
        except SqlSyntaxError as e:
            assert e.message  # noqa: PT017
            continue
        assert all(0 <= s.at <= s.end <= len(text) for s in statements(block))


@given(st.lists(st.tuples(st.integers(0, 9), st.text("ab")), max_size=4))
def test_edits_are_made_in_order(pieces: list[tuple[int, str]]) -> None:
    text = edited("0123456789", [Edit(at=at, text=new) for at, new in pieces])
    assert "".join(c for c in text if c.isdigit()) == "0123456789"
    assert sorted(c for c in text if not c.isdigit()) == sorted("".join(new for _, new in pieces))


def test_words_in_quotes_are_no_keywords() -> None:
    assert [t.word for t in scan("IF \"if\" 'if' E'if' $$if$$ U&\"if\" _if /* if */ іф -- if")] == [
        "if", "", "", "", "", "", "_if", "іф"
    ]  # fmt: skip
