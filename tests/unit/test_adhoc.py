"""`harness check` before any server: options, psql's own syntax, what is missing, and the scenario file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from harness.adhoc.arguments import BETWEEN, join_call_as
from harness.adhoc.build import build
from harness.adhoc.dump import plain
from harness.adhoc.options import Request, read_request
from harness.adhoc.position import UserText
from harness.adhoc.save import save, scalar
from harness.adhoc.stubs import Facts, Prepared, prepare
from harness.errors import UsageError, UserSqlError
from harness.model import Scenario, Search, StatementKind
from harness.scenario import load_scenario, names_our_schema
from harness.sqltext import split
from harness.sqltext.wants import first_call, wants

BARE = Facts(owned=True, description="embedded", roles=frozenset({"me"}), extensions=frozenset({"citext", "pg_trgm"}))
THEIRS = replace(BARE, owned=False, description="postgresql://db.example/app")


@pytest.fixture
def sql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``f.sql``, in which we are."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.sql").write_text("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';\n")
    return tmp_path


def request(**options: Any) -> Request:
    return read_request(**{"sql": ["f.sql"], "call": ["SELECT f()"], **options})


def ready(asked: Request, facts: Facts = BARE) -> tuple[Scenario, Prepared]:
    prepared = prepare([f for s in asked.sources for f in s.files], [c.role for c in asked.calls if c.role], facts)
    return build(asked, prepared.scripts, strategy="auto"), prepared


# ------------------------------------------------------------------------------------------------------ options


@pytest.mark.parametrize(
    ("arguments", "joined"),
    [
        (["check", "--call-as", "anon", "SELECT 1"], ["check", "--call", f"anon{BETWEEN}SELECT 1"]),
        (
            ["check", "--call", "A", "--call-as", "r", "B", "--call", "C"],
            ["check", "--call", "A", "--call", f"r{BETWEEN}B", "--call", "C"],
        ),
        (["check", "--call-as=anon", "SELECT 1", "-q"], ["check", "--call", f"anon{BETWEEN}SELECT 1", "-q"]),
        (["check", "--call-as", "anon"], ["check", "--call-as", "anon"]),
        (["check", "--call-as"], ["check", "--call-as"]),
        (["run", "--call-as", "a", "b"], ["run", "--call-as", "a", "b"]),
        ([], []),
    ],
)
def test_a_call_under_a_role_keeps_its_place(arguments: list[str], joined: list[str]) -> None:
    assert join_call_as(arguments) == joined


@pytest.mark.usefixtures("sql")
def test_one_call_is_made_by_two_workers() -> None:
    scenario, _ = ready(request())
    assert [w.name for w in scenario.workers] == ["w1", "w2"]
    assert scenario == ready(request(call=["SELECT f()", "SELECT f()"]))[0] == ready(request(workers=2))[0]
    assert len(request(workers=1).calls) == 1
    assert [c.number for c in request(call=["SELECT 1", "SELECT 2"], workers=2).calls] == [1, 2, 1, 2]
    assert [c.number for c in request(call=["SELECT 1", "SELECT 2"], workers=2).distinct_calls] == [1, 2]


@pytest.mark.usefixtures("sql")
def test_a_call_is_split_into_what_its_client_sends() -> None:
    call = "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT f(); SELECT ';' -- x\n; COMMIT;"
    scenario, _ = ready(request(call=[call, f"boss{BETWEEN}CALL p()"], role="anon"))
    first, second = scenario.workers
    assert [(s.name, s.sql, s.kind) for s in first.statements] == [
        ("begin", "BEGIN ISOLATION LEVEL SERIALIZABLE", StatementKind.BEGIN),
        ("select", "SELECT f()", StatementKind.QUERY),
        ("select_2", "SELECT ';'", StatementKind.QUERY),
        ("commit", "COMMIT", StatementKind.COMMIT),
    ]
    assert (first.role, second.role) == ("anon", "boss")
    assert scenario.name == "f"
    assert scenario.interleavings == (Search(strategy="auto"),)
    assert (scenario.restore, scenario.fresh_database) == (True, False)


@pytest.mark.usefixtures("sql")
def test_a_call_that_changes_the_schema_gets_fresh_databases() -> None:
    scenario, _ = ready(request(call=["ALTER TABLE t ADD c int", "SELECT f()"]))
    assert (scenario.restore, scenario.fresh_database) == (False, True)


@pytest.mark.parametrize(
    ("call", "name"),
    [("SELECT api.refund('j')", "refund"), ("UPDATE t SET i = 1", "check"), ('SELECT "Größe! x"()', "Gr_e_x"),
     ("BEGIN; CALL pay(f()); COMMIT", "pay"),
     ("SELECT set_config('a.b', 'c', true); SELECT pay()", "pay"), ("SELECT pg_sleep(0)", "pg_sleep"),
     ('SELECT "1st"()', "check")],
)  # fmt: skip
@pytest.mark.usefixtures("sql")
def test_the_name_is_that_of_the_function(call: str, name: str) -> None:
    assert ready(request(call=[call]))[0].name == name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sql": []}, "--sql is missing"),
        ({"call": []}, "--call is missing"),
        ({"workers": 9}, "9 workers: 8 at most"),
        ({"call": ["SELECT 1"] * 3, "workers": 3}, "9 workers: 8 at most"),
        ({"sql": ["none.sql"]}, "--sql: none.sql cannot be read: No such file or directory"),
        ({"sql": [""]}, "--sql is empty"),
        ({"sql": ["empty"]}, "--sql empty: this folder holds no .sql file"),
        ({"sql": ["latin.sql"]}, "--sql: latin.sql is not UTF-8"),
        ({"sql": ["variable.sql"]}, "variable.sql:1:8: psql's variable :'x' has no value here"),
        ({"sql": ["bad.sql"]}, 'bad.sql:2:8: syntax error at or near "TABL"'),
        ({"call": ["SELECT 1", "SELECT 2;\n  SELEC 3"]}, '--call 2:2:3: syntax error at or near "SELEC"'),
        ({"call": ["@call.sql"]}, "call.sql:1:9: syntax error"),
        ({"call": ["@none.sql"]}, "--call 1: none.sql cannot be read"),
        ({"call": ["  ; "]}, "--call 1:1:1: no SQL command here"),
        ({"call": ["SELECT 1; COPY t FROM stdin"]}, "--call 1:1:11: COPY from or to the client is not supported"),
        ({"call": ["PREPARE TRANSACTION 'x'"]}, "--call 1:1:1: two-phase commit is not supported"),
        ({"call": ["SELECT :'job'"]}, "--call 1:1:8: unknown variable :'job'"),
        ({"call": [f"no role{BETWEEN}SELECT 1"]}, "--call-as: 'no role' is not a role name"),
        ({"role": "a-b"}, "--role: 'a-b' is not a role name"),
        ({"setup": ["DELET"]}, "--setup 1:1:1: syntax error"),
        ({"invariant": ["SELECT 1"]}, "--invariant takes NAME=SQL"),
        ({"invariant": ["a b=SELECT 1"]}, "--invariant takes NAME=SQL"),
        ({"invariant": ["a=SELECT 1", "a=SELECT 2"]}, "--invariant a: this name is given twice"),
        ({"invariant": ["a=SELECT 1; SELECT 2"]}, "--invariant a:1:11: an invariant is one query, found 2"),
        ({"invariant": ["deadlock=SELECT 1"], "reserved": ["deadlock"]}, "--invariant deadlock: this is the name of a"),
    ],
)
def test_a_mistake_is_named_in_one_line(sql: Path, options: Mapping[str, Any], message: str) -> None:
    (sql / "empty").mkdir()
    (sql / "latin.sql").write_bytes(b"SELECT '\xe9'")
    (sql / "bad.sql").write_text("SELECT 1;\nCREATE TABL t (i int);")
    (sql / "call.sql").write_text("SELECT (")
    (sql / "variable.sql").write_text("SELECT :'x'")
    with pytest.raises(UsageError, match=rf"^{re.escape(message)}") as caught:
        request(**options)
    assert "\n" not in str(caught.value)


# --------------------------------------------------------------------------------------------- psql's own syntax

DUMP = r"""\restrict Abc123
-- don't
SET client_encoding = 'UTF8';
COPY public.t (a, "B c",
  d) FROM stdin;
1	it's \\ a\ttab	\N
2		\x41\101
\.

COPY public.u (a) FROM STDIN WITH (FORMAT text);
\.
SELECT pg_catalog.setval('s', 3, true);
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT '
\i not-a-command' $$; /* /* nested */ ; */
SELECT E'\'
\c', 'COPY x FROM stdin;';
\unrestrict Abc123
"""


def test_a_dump_becomes_plain_sql_line_by_line() -> None:
    text = plain(UserText(name="dump.sql", text=DUMP))
    assert text.count("\n") == DUMP.count("\n")
    pieces = [p.text for p in split(text)]
    assert pieces == [
        "SET client_encoding = 'UTF8'",
        'INSERT INTO public.t (a, "B c",\n  d) OVERRIDING SYSTEM VALUE VALUES\n'
        "('1', E'it''s \\\\ a\ttab', NULL),\n('2', '', 'AA')",
        "SELECT pg_catalog.setval('s', 3, true)",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT '\n\\i not-a-command' $$",
        "SELECT E'\\'\n\\c', 'COPY x FROM stdin;'",
    ]
    unchanged = DUMP.splitlines().index("SELECT pg_catalog.setval('s', 3, true);")
    assert text.splitlines()[unchanged:-1] == DUMP.splitlines()[unchanged:-1]


def test_many_rows_become_several_inserts() -> None:
    rows = "".join(f"{i}\n" for i in range(2500))
    text = plain(UserText(name="d", text=f"COPY t (a) FROM stdin;\n{rows}\\.\n"))
    assert [p.text.count("(") for p in split(text)] == [1001, 1001, 501]
    assert text.count("\n") == 2502


def test_what_needs_no_change_stays_as_it_is() -> None:
    text = "SELECT '\\.';\nSELECT 1 -- \\i x\n"
    assert plain(UserText(name="d", text=text)) is text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1;\n  \\i other.sql\n", r"d\.sql:2:3: psql's \\i is not understood"),
        ("\\copy t from 'x'", r"d\.sql:1:1: psql's \\copy"),
        ("\\ir x", r"d\.sql:1:1: psql's \\ir"),
        ("SELECT 1;\nCOPY t FROM stdin (FORMAT csv);\n1\n\\.\n", r"d\.sql:2:1: COPY FROM stdin is understood in text"),
        ("COPY t FROM stdin;\n1\n", r"d\.sql:1:1: the rows of this COPY do not end"),
    ],
)
def test_what_psql_alone_can_do_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserSqlError, match=f"^{message}"):
        plain(UserText(name="d.sql", text=text))


# -------------------------------------------------------------------------------------------------- what is missing


def test_what_a_script_wants_is_found() -> None:
    found = wants(
        """
        CREATE ROLE app; DO $$ BEGIN CREATE ROLE late; END $$;
        GRANT SELECT ON t TO anon, app, PUBLIC; ALTER TABLE t OWNER TO "Boss";
        CREATE POLICY p ON t TO late USING (auth.uid() = x);
        CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA extensions; COMMENT ON EXTENSION "uuid-ossp" IS 'x';
        CREATE FUNCTION g() RETURNS uuid LANGUAGE plpgsql AS $$ BEGIN -- storage.nothing()
          RETURN coalesce("auth".jwt() ->> 'x', uuid_generate_v4()::text)::uuid; END $$;
        CREATE INDEX CONCURRENTLY i ON t (a);
        """
    )
    assert found.roles == ("anon", "app", "Boss", "late")
    assert found.created_roles == {"app", "late"}
    assert {("auth", "uid"), ("auth", "jwt")} <= found.qualified
    assert not any(schema == "storage" for schema, _ in found.qualified)
    assert "uuid_generate_v4" in found.called
    assert found.functions == {"g"}
    assert [(e.name, e.schema, e.created) for e in found.extensions] == [
        ("uuid-ossp", "extensions", True), ("uuid-ossp", None, False)
    ]  # fmt: skip
    assert len(found.concurrently) == 1


@pytest.mark.parametrize(
    ("sql_", "name"),
    [("SELECT a.refund(b(1))", "refund"), ("CALL p(1)", "p"), ("SELECT 1", None), ("BEGIN", None), ("SELEC", None)],
)
def test_the_first_call(sql_: str, name: str | None) -> None:
    assert first_call(sql_) == name


def stubbed(sql: Path, text: str, facts: Facts = BARE, **options: Any) -> Prepared:
    (sql / "f.sql").write_text(text)
    return ready(request(**options), facts)[1]


def test_nothing_is_stubbed_when_nothing_is_missing(sql: Path) -> None:
    text = "CREATE SCHEMA auth; CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid';"
    prepared = stubbed(sql, text, replace(BARE, roles=frozenset({"anon", "authenticated", "service_role"})))
    assert (prepared.stubbed, prepared.notices, prepared.changed) == ((), (), frozenset())
    assert [s.text for s in prepared.scripts] == [text]


def test_roles_are_made_on_our_own_server_only(sql: Path) -> None:
    text = "GRANT USAGE ON SCHEMA public TO anon, writer, me;"
    prepared = stubbed(sql, text, call=[f"caller{BETWEEN}SELECT f()", f"public{BETWEEN}SELECT f()"])
    assert prepared.stubbed == ("role anon", "role writer", "role caller")
    with pytest.raises(UsageError, match=r"^no role anon, writer on postgresql://db\.example/app: create them there"):
        stubbed(sql, text, THEIRS)


def test_supabase_is_stubbed_where_it_is_used(sql: Path) -> None:
    prepared = stubbed(
        sql, "CREATE POLICY p ON t USING (auth.uid() = owner); CREATE TABLE u (i uuid REFERENCES auth.users);"
    )
    assert prepared.stubbed == (
        "role anon", "role authenticated", "role service_role",
        "auth.users, auth.uid(), auth.role(), auth.email(), auth.jwt()",
    )  # fmt: skip
    assert [s.name for s in prepared.scripts] == ["harness_stubs.sql", "f.sql"]


def test_an_absent_extension_is_left_out_and_said(sql: Path) -> None:
    text = "CREATE EXTENSION pgcrypto;\nCREATE EXTENSION citext;\nCREATE EXTENSION pg_net;SELECT digest('a', 'sha256');"
    prepared = stubbed(sql, text)
    assert prepared.stubbed == ("public.digest()",)
    assert prepared.notices == (
        "extension pgcrypto is not on this server: "
        "only gen_random_uuid(), gen_random_bytes(), digest() stand in for it",
        "extension pg_net is not on this server: left out",
    )
    installed = prepared.scripts[-1].text
    assert [p.text for p in split(installed)] == ["CREATE EXTENSION citext", "SELECT digest('a', 'sha256')"]
    assert installed.count("\n") == text.count("\n")
    assert prepared.changed == {"f.sql"}


def test_an_extension_that_is_used_and_there_is_created(sql: Path) -> None:
    facts = replace(BARE, extensions=frozenset({"pgcrypto"}))
    used = "SELECT extensions.digest('a', 'md5'), gen_random_uuid(), uuid_generate_v4();"
    prepared = stubbed(sql, used, facts)
    assert prepared.stubbed == ("extension pgcrypto", "public.uuid_generate_v4()")
    assert 'CREATE EXTENSION "pgcrypto" WITH SCHEMA "extensions"' in prepared.scripts[0].text
    assert stubbed(sql, f"CREATE EXTENSION pgcrypto; {used}", facts).stubbed == ("public.uuid_generate_v4()",)


def test_what_a_transaction_forbids_is_changed(sql: Path) -> None:
    text = "CREATE INDEX CONCURRENTLY i ON t (a); ALTER TYPE e ADD VALUE 'x'; SELECT 'x'::e;"
    prepared = stubbed(sql, text)
    assert [p.text for p in split(prepared.scripts[-1].text)] == [
        "CREATE INDEX              i ON t (a)", "ALTER TYPE e ADD VALUE 'x'", "COMMIT", "SELECT 'x'::e"
    ]  # fmt: skip


# -------------------------------------------------------------------------------------------------- scenario files


def normalised(scenario: Scenario) -> Scenario:
    """Without what a file and its place alone decide."""
    names = tuple(replace(s, name=f"{i} {Path(s.name).name.split('_', 1)[-1]}") for i, s in enumerate(scenario.install))
    return replace(scenario, file="", text_hash="", install=tuple(replace(s, text=s.text.rstrip()) for s in names))


def test_a_saved_scenario_is_what_was_checked(sql: Path) -> None:
    (sql / "migrations").mkdir()
    (sql / "migrations" / "b.sql").write_text("SELECT 'b';\n")
    (sql / "migrations" / "a.sql").write_text("SELECT 'a';\n")
    (sql / "dump.sql").write_text("\\restrict x\nCOPY t (a) FROM stdin;\n1\n\\.\n")
    (sql / "positive.sql").write_text("-- A row means: somebody owes us.\nSELECT * FROM t WHERE a < 0;\n")
    (sql / "call.sql").write_text("BEGIN;\n  SELECT f(1,\n    'ü \"quoted\" \\ back');\nCOMMIT;\n")
    asked = request(
        sql=["migrations", "f.sql", "dump.sql"],
        call=["@call.sql", f"anon{BETWEEN}SELECT f() -- :x"],
        setup=["DELETE FROM t;\nINSERT INTO t VALUES (1)", "SELECT :'run'"],
        invariant=["positive=@positive.sql", "other=@positive.sql", "inline=SELECT 1 WHERE false"],
    )
    scenario, prepared = ready(asked)
    for place in ("saved.yaml", "deep/down/saved.yaml"):
        save(scenario, asked, prepared, Path(place))
        assert names_our_schema(Path(place))
        loaded = load_scenario(Path(place))
        assert normalised(loaded) == normalised(scenario)
        assert [s.text for s in loaded.install[1:3]] == ["SELECT 'a';\n", "SELECT 'b';\n"]
        assert loaded.invariants[0].about == "somebody owes us"
    save(scenario, asked, prepared, Path("saved.yaml"))


def test_a_file_that_is_no_scenario_is_not_overwritten(sql: Path) -> None:
    asked = request()
    with pytest.raises(UsageError, match=r"^--save f\.sql: this file is no scenario"):
        save(*(ready(asked)[0], asked, ready(asked)[1]), sql.joinpath("f.sql").relative_to(sql))
    assert (sql / "f.sql").read_text().startswith("CREATE FUNCTION")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60), st.integers(1, 8))
def test_every_text_can_be_written(text: str, indent: int) -> None:
    document = f"- {scalar(text, indent + 2)}\n- next\n"
    assert YAML(typ="safe", pure=True).load(document) == [text, "next"]
