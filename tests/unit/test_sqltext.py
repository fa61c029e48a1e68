"""SQL texts: split, classified, filled, and followed through functions and triggers."""

from __future__ import annotations

import postgast
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import StatementKind
from harness.sqltext import (
    SqlSyntaxError,
    Template,
    classify,
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
