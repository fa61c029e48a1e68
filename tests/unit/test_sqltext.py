"""SQL texts: split, classified, filled, and followed through functions and triggers."""

from __future__ import annotations

import postgast
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import StatementKind
from harness.sqltext import (
    Catalog,
    SqlSyntaxError,
    Template,
    classify,
    footprint,
    leaves_session_state,
    split,
    unsupported,
    variables,
)
from harness.sqltext.parse import TooDeep, parse

DEEP = "SELECT " + " + ".join(["1"] * 200)
ATOMIC = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END"

# ------------------------------------------------------------------------------------------------------- split


@pytest.mark.parametrize(
    ("script", "texts"),
    [
        ("", []),
        (" ;; -- nothing\n ; /* ; */", []),
        ("SELECT 1", ["SELECT 1"]),
        (";;SELECT 1;;SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT 1 -- one;\n; SELECT 2 /* two; */", ["SELECT 1", "SELECT 2"]),
        ("/* SELECT 1 */ SELECT 1; /* SELECT 1 */ SELECT 1", ["SELECT 1", "SELECT 1"]),
        ("SELECT 1 /* a /* b; */ ; */ + 2", ["SELECT 1 /* a /* b; */ ; */ + 2"]),
        ("SELECT ';', E'\\';', \";\", $$;$$, $a$ $$;$$ $a$; SELECT 2", None),
        ("SELECT 'ґ;😀'; SELECT 'ї' -- ґ\n; SELECT :'a', 'є'", ["SELECT 'ґ;😀'", "SELECT 'ї'", "SELECT :'a', 'є'"]),
        (f"{ATOMIC}; SELECT 3", [ATOMIC, "SELECT 3"]),
        (f"SELECT 0; {DEEP}; SELECT 2", ["SELECT 0", DEEP, "SELECT 2"]),
        ("DO $$ BEGIN PERFORM ':''a'; END $$;\r\nSELECT 1;\r\n", ["DO $$ BEGIN PERFORM ':''a'; END $$", "SELECT 1"]),
    ],
)
def test_split(script: str, texts: list[str] | None) -> None:
    pieces = split(script)
    assert [p.text for p in pieces] == (texts if texts is not None else [script[:-10], "SELECT 2"])
    assert all(script[p.start :].startswith(p.text) for p in pieces)


def test_directives_stand_in_front_of_a_statement() -> None:
    first, second, third = split(
        '-- name: look\n-- continue if: {"status": "processing"}\nSELECT 1;\n-- continue if: one likes\nSELECT 2;\n'
        "SELECT 3 -- name: late\n"
    )
    assert (first.name, first.continue_if) == ("look", {"status": "processing"})
    assert (second.name, second.continue_if, third.name) == (None, None, None)
    with pytest.raises(SqlSyntaxError, match="needs a JSON object"):
        split("-- continue if: {status: processing}\nSELECT 1")


@pytest.mark.parametrize(
    ("sql", "before", "message"),
    [
        ("SELECT FROM WHERE x", "SELECT FROM ", 'at or near "WHERE"'),
        ("SELECT 'ґґ', '😀' FROM FROM", "SELECT 'ґґ', '😀' FROM ", 'at or near "FROM"'),
        ("SELECT :'a', :'b' FROM FROM", "SELECT :'a', :'b' FROM ", 'at or near "FROM"'),
        ("SELECT 1; SELECT 'ґ", "SELECT 1; SELECT ", "unterminated quoted string"),
        ("SELECT :'a', 'ґ", "SELECT :'a', ", "unterminated quoted string"),
        ("SELECT $$ґ", "SELECT ", "unterminated dollar-quoted string"),
        ("SELECT 1 /* ґ", "SELECT 1 ", "unterminated /* comment"),
        ("SELECT 1\0 nobody reads this", "SELECT 1", "NUL"),
        ("SELECT 'ґ\ud800'", "SELECT 'ґ", "surrogate"),
        ("SELECT (1", "SELECT (1", "end of input"),
        ("\\restrict x", "", 'at or near "\\"'),
    ],
)
def test_refused_with_the_offset_in_characters(sql: str, before: str, message: str) -> None:
    for refuse in (split, parse, classify):
        with pytest.raises(SqlSyntaxError) as caught:
            refuse(sql)
        assert message in caught.value.message
        assert caught.value.offset == len(before)


SCRAPS = ["SELECT ", "1", ";", "$$", "--", "/*", "*/", ":'a'", "E'", "'", '"', "\\", "\n", "BEGIN", "(", ")", "ґ", "😀", "\0", "\ud800"]  # fmt: skip  # noqa: E501


@given(st.lists(st.sampled_from(SCRAPS), max_size=15).map("".join))
def test_any_text_is_split_or_refused(sql: str) -> None:
    try:
        pieces = split(sql)
    except SqlSyntaxError as e:
        assert e.offset is None or 0 <= e.offset <= len(sql)  # noqa: PT017
        return
    assert all(sql[p.start :].startswith(p.text) and p.text.strip() == p.text != "" for p in pieces)
    assert [p.text for p in split(";\n".join(p.text for p in pieces))] == [p.text for p in pieces]


# ---------------------------------------------------------------------------------------------------- classify

Q, D = StatementKind.QUERY, StatementKind.DDL


@pytest.mark.parametrize(
    ("sql", "kind", "state"),
    [
        ("SELECT 1", Q, False), ("WITH x AS (SELECT 1) TABLE x", Q, False), ("VALUES (1)", Q, False),
        ("INSERT INTO t VALUES (:'a')", Q, False), ("CALL p()", Q, False), ("LOCK TABLE t", Q, False),
        ("MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", Q, False),
        ("BEGIN", StatementKind.BEGIN, False), ("START TRANSACTION READ ONLY", StatementKind.BEGIN, False),
        ("COMMIT", StatementKind.COMMIT, False), ("END", StatementKind.COMMIT, False),
        ("ROLLBACK", StatementKind.ROLLBACK, False), ("ABORT", StatementKind.ROLLBACK, False),
        ("SAVEPOINT s", Q, False), ("ROLLBACK TO s", Q, False), ("RELEASE s", Q, False),
        ("SET x.y = 1", Q, True), ("PREPARE p AS SELECT 1", Q, True), ("LISTEN x", Q, True), ("LOAD 'x'", Q, True),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", Q, True), ("DISCARD ALL", Q, True), ("EXECUTE p", Q, True),
        ("SELECT set_config('a.b', 'c', false)", Q, True), ("SELECT setseed(0)", Q, True),
        ("SELECT pg_advisory_lock(1)", Q, True), ("SELECT pg_try_advisory_lock(1)", Q, True),
        ("SELECT 1 INTO TEMP t", Q, True), ("SELECT dblink_connect('x')", Q, True),
        ("DO $$BEGIN END$$", Q, True), ("EXPLAIN SELECT 1", Q, True),
        ("CREATE TEMPORARY TABLE t ()", D, True), ("ALTER TABLE t ADD x int", D, True), ("DROP FUNCTION f", D, True),
        ("TRUNCATE t", D, True), ("GRANT SELECT ON t TO u", D, True), (ATOMIC, D, True), ("VACUUM t", D, True),
        (DEEP, Q, False), (f"({DEEP})", Q, False), (f"/* c */ WITH x AS ({DEEP}) TABLE x", Q, False),
        (f"CREATE VIEW v AS {DEEP}", D, True), (f"EXPLAIN {DEEP}", Q, True),
    ],
)  # fmt: skip
def test_classify(sql: str, kind: StatementKind, state: bool) -> None:
    assert classify(sql) is kind
    assert leaves_session_state(sql) is state
    assert unsupported(sql) is None


@pytest.mark.parametrize("sql", ["", "-- nothing", ";"])
def test_nothing_is_of_no_kind(sql: str) -> None:
    for ask in (classify, leaves_session_state, unsupported):
        with pytest.raises(SqlSyntaxError, match="no SQL command"):
            ask(sql)


@pytest.mark.parametrize(
    ("sql", "word"),
    [("PREPARE TRANSACTION 'x'", "two-phase"), ("COMMIT PREPARED 'x'", "two-phase"),
     ("ROLLBACK PREPARED 'x'", "two-phase"), ("COPY t FROM STDIN", "COPY"), ("COPY t TO STDOUT", "COPY")],
)  # fmt: skip
def test_what_a_worker_cannot_send(sql: str, word: str) -> None:
    assert word in str(unsupported(sql))


def test_what_is_too_deep_says_so() -> None:
    with pytest.raises(TooDeep, match="too deeply"):
        parse(DEEP)


# --------------------------------------------------------------------------------------------------- variables


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT :'b', :'a', :'b'", ["b", "a"]),
        ("SELECT 'ґ' = :'a'::uuid, ARRAY[:'b']", ["a", "b"]),
        ("SELECT ':''a''', E':\\'a\\'', \":'a'\", $$ :'a' $$, 'x'::text", []),
        ("-- :'a'\nSELECT 1 /* :'b' */", []),
        ("SELECT x::'a', y : 'a', :\"a\", :a, :'1a', :'', :'a b'", []),
        ("SELECT f(x => :'a', y := :'b')", ["a", "b"]),
    ],
)
def test_variables_are_never_in_strings_comments_or_casts(sql: str, found: list[str]) -> None:
    assert list(variables(sql)) == found
    assert all(sql[offset:].startswith(f":'{name}'") for name, offset in variables(sql).items())
    assert Template(sql).render(dict.fromkeys("ab", "x")).count("'x'") == sql.count("'x'") + sum(
        sql.count(f":'{name}'") for name in found
    )


def constants(sql: str) -> list[str]:
    columns = postgast.parse(sql).stmts[0].stmt.select_stmt.target_list
    return [c.res_target.val.a_const.sval.sval for c in columns]


VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.sampled_from("'\\\":$-*/;E"))


@given(VALUES, VALUES)
def test_a_rendered_literal_reads_back_as_the_value(a: str, b: str) -> None:
    sql = Template("SELECT :'a',:'b', (:'a') /* :'b' */ -- :'a'").render({"a": a, "b": b})
    assert constants(sql) == [a, b, a]
    assert variables(sql) == {}


def test_a_literal_does_not_melt_into_what_stands_before_it() -> None:
    assert Template("SELECT E:'a', 'x':'a':'b'").render({"a": "n", "b": "m"}) == "SELECT E 'n', 'x' 'n' 'm'"


def test_an_unknown_variable_is_a_key_error_and_a_numbered_one_a_parameter() -> None:
    with pytest.raises(KeyError, match="b"):
        Template("SELECT :'a', :'b'").render({"a": "1"})
    parameters = ["zero"]
    assert Template("SELECT :'a', :'b', :'a'").numbered(parameters) == "SELECT  $2,  $3,  $4"
    assert parameters == ["zero", "a", "b", "a"]
    assert Template("SELECT :'a' + :'b'").replaced({"a": ":'b'", "b": ":'a'"}) == "SELECT :'b' + :'a'"


# --------------------------------------------------------------------------------------------------- footprint

TABLES = frozenset("abcd")


def made(name: str, body: str, language: str = "plpgsql", returns: str = "void") -> tuple[str, str]:
    return language, f"CREATE FUNCTION public.{name}() RETURNS {returns} LANGUAGE {language} AS $f$\n{body}\n$f$"


FUNCTIONS = {
    "one": (made("one", "BEGIN UPDATE a SET x = 1; END"),),
    "two": (made("two", "DECLARE v int := (SELECT max(x) FROM b); BEGIN PERFORM public.one(); END"),),
    "twice": (made("twice", "SELECT 1 FROM b", "sql", "int"), made("twice", "BEGIN DELETE FROM c; END")),
    "sql": (made("sql", "UPDATE c SET x = 2; SELECT one()", "sql", "int"),),
    "atomic": (("sql", "CREATE FUNCTION atomic() RETURNS int BEGIN ATOMIC SELECT x FROM a; END"),),
    "broken": (("sql", "CREATE FUNCTION"),),
    "again": (made("again", "BEGIN PERFORM again() FROM a; PERFORM mutual(); END"),),
    "mutual": (made("mutual", "BEGIN PERFORM again() FROM b; END"),),
    "assigns": (made("assigns", "DECLARE n int; z int[]; BEGIN n := (SELECT 1 FROM a); n = (SELECT 1 FROM b); "
                     "z[1] := f(q := 1); IF EXISTS (SELECT FROM c) THEN NULL; END IF; END"),),
    "loops": (made("loops", "DECLARE r record; c CURSOR FOR SELECT FROM a; BEGIN FOR r IN SELECT FROM b LOOP NULL; "
                   "END LOOP; EXCEPTION WHEN OTHERS THEN DELETE FROM c; END"),),
    "executes": (made("executes", "BEGIN EXECUTE 'DELETE FROM a'; END"),),
    "loops_over": (made("loops_over", "DECLARE r record; BEGIN FOR r IN EXECUTE 'TABLE a' LOOP NULL; END LOOP; END"),),
    "returns": (made("returns", "BEGIN RETURN QUERY EXECUTE 'SELECT 1 FROM a'; END", returns="SETOF int"),),
    "opens": (made("opens", "DECLARE c refcursor; BEGIN OPEN c FOR EXECUTE 'TABLE a'; END"),),
    "calls_it": (made("calls_it", "BEGIN PERFORM executes(); END"),),
    "python": (made("python", "plpy.execute('...')", "plpython3u"),),
    "fires": (made("fires", "BEGIN NEW.x := one(); IF TG_OP = 'INSERT' THEN INSERT INTO d VALUES (OLD.x); END IF; "
                   "RETURN NEW; END", returns="trigger"),),
    "damaged": (made("damaged", "BEGIN NOT SQL; END"),),
}  # fmt: skip
CATALOG = Catalog(functions=FUNCTIONS, triggers={"c": ("fires",)}, tables=TABLES)


@pytest.mark.parametrize(
    ("sql", "touched"),
    [
        ("SELECT 1", ""), ("SELECT now(), unknown_function()", ""), ("BEGIN", ""), ("SET x.y = 1", ""),
        ("SELECT * FROM a JOIN public.b ON true WHERE EXISTS (SELECT FROM nowhere)", "ab"),
        ("WITH x AS (DELETE FROM a RETURNING 1) INSERT INTO b SELECT * FROM x", "ab"),
        ("SELECT :'v' FROM d FOR UPDATE", "d"), ("LOCK TABLE d", "d"),
        ("MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE", "ab"),
        ("SELECT one()", "a"), ("SELECT public.two() AS answer", "ab"), ("CALL two()", "ab"),
        ("SELECT 1 FROM two() WHERE one() IS NULL", "ab"),
        ("SELECT twice()", "abcd"), ("SELECT sql()", "acd"), ("UPDATE c SET x = 1", "acd"),
        ("SELECT again()", "ab"), ("SELECT assigns()", "abcd"), ("SELECT loops()", "abcd"),
        ("SELECT executes()", None), ("SELECT loops_over()", None), ("SELECT returns()", None),
        ("SELECT opens()", None), ("SELECT calls_it()", None), ("SELECT python()", None), ("SELECT atomic()", None),
        ("SELECT broken()", None), ("SELECT damaged()", None), ("SELEKT", None), (DEEP, None),
        ("DO $$BEGIN DELETE FROM a; END$$", None), ("EXECUTE prepared", None), ("FETCH c", None),
        ("DROP TABLE a", None), ("TRUNCATE a", None), ("ALTER TABLE a ADD x int", None),
        ("SELECT 1; DROP TABLE a", None),
    ],
)  # fmt: skip
def test_footprint(sql: str, touched: str | None) -> None:
    assert footprint(sql, CATALOG) == (None if touched is None else frozenset(touched))
