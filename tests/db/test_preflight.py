"""`harness check` on a server: installing what people have, and calls that fail alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.adhoc.arguments import BETWEEN
from harness.adhoc.check import Ready, check_on
from harness.adhoc.options import read_request
from harness.db import connect
from harness.errors import UsageError, UserSqlError
from harness.scenario import load_scenario
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

Check = Callable[..., Ready]


@pytest.fixture
def check(target: EmbeddedTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Check]:
    """``check(text, call, …)``: what `harness check` does before the run, with ``text`` in ``f.sql``."""
    monkeypatch.chdir(tmp_path)
    before = roles(target)

    def made(text: str, *call: str, **options: Any) -> Ready:
        (tmp_path / "f.sql").write_text(text)
        request = read_request(**{"sql": ["f.sql"], "call": call or ["SELECT 1"], **options})
        with Databases(target) as databases:
            return check_on(target, request, databases, file=None, folder=tmp_path)

    yield made
    assert roles(target) == before


def roles(target: EmbeddedTarget) -> set[str]:
    with connect(target.conninfo(target.maintenance_database), application_name="test") as conn:
        return {name for (name,) in conn.execute("SELECT rolname FROM pg_roles").fetchall()}


BALANCE = """
CREATE TABLE balance (id int PRIMARY KEY, amount int NOT NULL CHECK (amount >= 0));
INSERT INTO balance VALUES (1, 100);
CREATE FUNCTION spend(a int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  UPDATE balance SET amount = amount - a WHERE id = 1;
  RETURN a;
END $$;
"""


def test_what_works_alone_is_ready(check: Check) -> None:
    ready = check(BALANCE, "SELECT spend(40)", invariant=["whole=SELECT * FROM balance WHERE amount % 10 <> 0"])
    assert ready.head == "f.sql installed · 2 workers"
    assert ready.notices == ()
    assert ready.scenario.file.endswith("/spend.yaml")
    assert [w.name for w in load_scenario(Path(ready.scenario.file)).workers] == ["w1", "w2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1;\nSELECT nothing", "f.sql:2:8: column"),
        ("SELECT 1;\n\n  DO $$ BEGIN\n RAISE 'oops'; END $$;", "f.sql:3:3: oops [PL/pgSQL function inline_code_block"),
        (
            "CREATE TABLE t (i int);\nCREATE TABLE u (i int);\nCREATE TABLE t (j int);",
            'f.sql:3:1: relation "t" already',
        ),
        ("CREATE TABLE t (i int CHECK (i > 0));\nINSERT INTO t\nVALUES (0);", "f.sql:2:1: new row for relation"),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$\nBEGIN\n  RETURN nothing;\nEND $$;\n\nSELECT f();",
            'f.sql:6:1: column "nothing" does not exist [PL/pgSQL function f() line 3',
        ),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$\nBEGIN\n  IF;\nEND $$;", "f.sql:3:5: missing"),
        ("BEGIN;\nSELECT 1;\nDO $$BEGIN RAISE 'no';END$$; COMMIT", "f.sql:3:1: no [PL/pgSQL"),
        ("BEGIN; SELECT 1;", "f.sql: opens a transaction and never ends it"),
        ("CREATE EXTENSION pg_nowhere; SELECT nowhere(1);", "f.sql:1:37: function nowhere(integer) does not"),
    ],
)
def test_an_error_while_installing_has_a_place(check: Check, text: str, message: str) -> None:
    with pytest.raises(UserSqlError, match=f"^{re.escape(message)}") as caught:
        check(text)
    assert "\n" not in str(caught.value)


def test_an_error_in_the_second_file_names_that_one(check: Check, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "2.sql").write_text("SELECT 1;\nINSERT INTO t VALUES (NULL);")
    (folder / "1.sql").write_text("CREATE TABLE t (i int NOT NULL);")
    with pytest.raises(UserSqlError, match=r"^m/2\.sql:2:1: null value in column") as caught:
        check("SELECT 1", sql=["f.sql", "m"])
    assert caught.value.sqlstate == "23502"


@pytest.mark.own_server("it makes roles")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"call": ["SELECT 1; SELECT  spnd(1)"]},
            "--call 1:1:19: call 1 fails even alone: 42883 function spnd(integer) does not exist (No function matches",
        ),
        (
            {"call": ["SELECT spend(1)", f"stranger{BETWEEN}SELECT spend(2)"]},
            "--call 2:1:1: call 2 fails even alone: 42501 permission denied for table balance [SQL statement",
        ),
        ({"call": [f"public{BETWEEN}SELECT spend(2)"]}, "--call 1:1:1: call 1 fails even alone: 42501 permission"),
        ({"call": ["SELECT a.b()"]}, '--call 1:1:8: call 1 fails even alone: 3F000 schema "a" does not exist'),
        ({"setup": ["SELECT 1", "UPDATE balance\nSET x = 1"]}, '--setup 2:2:5: column "x" of relation "balance"'),
        ({"setup": ["UPDATE balance SET amount = -1"]}, "--setup 1:1:1: new row for relation"),
        ({"setup": ["BEGIN; SELECT 1"]}, "--setup 1: opens a transaction and never ends it"),
        ({"invariant": ["a=SELECT nix FROM balance"]}, '--invariant a:1:8: column "nix" does not exist'),
        ({"invariant": ["a=UPDATE balance SET amount = 1"]}, "--invariant a:1:1: an invariant is one query that gives"),
    ],
)
def test_what_can_never_work_is_said_at_once(check: Check, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}"):
        check(BALANCE, **options)


def test_a_refusal_is_a_notice(check: Check) -> None:
    ready = check(BALANCE, "SELECT spend(500)", "SELECT spend(500)", "SELECT spend(600)", "SELECT spend(6)")
    assert [n.partition(" [")[0].partition(" (")[0] for n in ready.notices] == [
        f'call {n} fails even alone: 23514 new row for relation "balance" violates check constraint '
        '"balance_amount_check"'
        for n in (1, 3)
    ]


def test_each_call_starts_as_installed_and_set_up(check: Check) -> None:
    calls = ["SELECT spend(100)", "BEGIN; SELECT spend(60); COMMIT", "SELECT spend(70 + 0 * :'run'::int)"]
    assert check(BALANCE, *calls).notices == ()
    low = check(BALANCE, *calls, setup=["UPDATE balance SET amount = 65 + :'run'::int"])
    assert [n[:28] for n in low.notices] == [f"call {n} fails even alone: 235" for n in (1, 3)]


def test_an_invariant_that_is_broken_from_the_start_is_a_notice(check: Check) -> None:
    ready = check(BALANCE, "SELECT spend(1)", invariant=["rich=SELECT * FROM balance WHERE amount < 1000"])
    assert ready.notices == ("invariant rich is broken before any call (1 row)",)


SUPABASE = """
CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA extensions;
CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA extensions;
CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA extensions;
CREATE TABLE public.credits (
  id uuid PRIMARY KEY DEFAULT extensions.uuid_generate_v4(), user_id uuid REFERENCES auth.users ON DELETE CASCADE,
  email extensions.citext, amount int NOT NULL
);
ALTER TABLE public.credits OWNER TO postgres;
ALTER TABLE public.credits ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.credits FOR ALL TO authenticated USING ((SELECT auth.uid()) = user_id);
CREATE FUNCTION public.spend(n int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE left_over int;
BEGIN
  IF auth.role() <> 'authenticated' THEN RAISE EXCEPTION 'not allowed'; END IF;
  UPDATE credits SET amount = amount - n WHERE user_id = (auth.jwt() ->> 'sub')::uuid RETURNING amount INTO left_over;
  RETURN left_over;
END $$;
REVOKE ALL ON FUNCTION public.spend(int) FROM PUBLIC, anon;
GRANT EXECUTE ON FUNCTION public.spend(int) TO authenticated, supabase_admin;
ALTER PUBLICATION supabase_realtime ADD TABLE public.credits;
INSERT INTO storage.buckets (id, name) VALUES ('a', 'a');
INSERT INTO auth.users (id, email) VALUES ('00000000-0000-0000-0000-000000000001', 'a@b.c');
INSERT INTO public.credits (user_id, email, amount) SELECT id, email, 10 FROM auth.users;
SELECT encode(extensions.digest('a', 'sha256'), 'hex'), length(extensions.gen_random_bytes(40));
"""
AS_USER = (
    "BEGIN; SELECT set_config('request.jwt.claims', "
    """'{"sub": "00000000-0000-0000-0000-000000000001", "role": "authenticated"}', true); """
    "SELECT spend(4); COMMIT"
)


@pytest.mark.own_server("it makes roles")
def test_supabase_migrations_install_on_a_bare_server(check: Check, target: EmbeddedTarget) -> None:
    with connect(target.conninfo(target.maintenance_database), application_name="test") as conn:
        there = {name for (name,) in conn.execute("SELECT name FROM pg_available_extensions").fetchall()}
    known = roles(target)
    stand_ins = {"pgcrypto": ["gen_random_bytes", "digest"], "uuid-ossp": ["uuid_generate_v4"]}
    ready = check(SUPABASE, f"authenticated{BETWEEN}{AS_USER}")
    [stubbed, *absent] = ready.notices
    wanted = ("authenticated", "anon", "supabase_admin", "service_role")
    assert stubbed.removeprefix("stubbed: ").split(", ") == [
        *(f"role {name}" for name in wanted if name not in known),  # other tests on this server make some of them
        "auth.users", "auth.uid()", "auth.role()", "auth.email()", "auth.jwt()",
        "storage.buckets", "storage.objects", "storage.foldername()",
        *(f"extensions.{f}()" for e, functions in stand_ins.items() if e not in there for f in functions),
        "publication supabase_realtime",
    ]  # fmt: skip
    assert [n.split()[1] for n in absent] == [e for e in ("uuid-ossp", "pgcrypto") if e not in there]


def test_stand_ins_do_what_they_stand_for(check: Check) -> None:
    ready = check(
        """
        DO $$ BEGIN
          ASSERT auth.uid() IS NULL AND auth.role() IS NULL AND auth.jwt() IS NULL;
          PERFORM set_config('request.jwt.claims',
            '{"sub": "00000000-0000-0000-0000-00000000000a", "role": "anon"}', true);
          ASSERT auth.uid() = '00000000-0000-0000-0000-00000000000a' AND auth.role() = 'anon' AND auth.email() IS NULL;
          ASSERT auth.jwt() ->> 'role' = 'anon';
          ASSERT uuid_generate_v4() <> uuid_generate_v4();
          ASSERT length(gen_random_bytes(70)) = 70 AND gen_random_bytes(9) <> gen_random_bytes(9);
          ASSERT digest('a', 'SHA256') = sha256('a') AND digest('a'::bytea, 'md5') = decode(md5('a'), 'hex');
          ASSERT storage.foldername('a/b/c.png') = ARRAY['a', 'b'];
        END $$;
        DO $$ BEGIN PERFORM digest('a', 'sha1'); EXCEPTION WHEN feature_not_supported THEN NULL; END $$;
        """
    )
    assert [n.partition(":")[0] for n in ready.notices] == ["stubbed"]


DUMP = r"""\restrict x
CREATE TABLE public.t (id int GENERATED ALWAYS AS IDENTITY, v text, j json);
COPY public.t (id, v, j) FROM stdin;
7	a\tb \\ \n'c'	\N
8		{"a": 1}
\.

DO $$ BEGIN
  ASSERT (SELECT array_agg(v ORDER BY id) FROM t) = ARRAY[E'a\tb \\ \n''c''', ''];
  ASSERT (SELECT array_agg(id) FROM t WHERE j IS NULL) = ARRAY[7];
END $$;
\unrestrict x
"""


def test_a_dump_installs(check: Check) -> None:
    ready = check(DUMP, "UPDATE t SET v = 'x' WHERE id = 7")
    assert ready.notices == ()
    assert (Path(ready.scenario.file).parent / "check_sql" / "00_f.sql").is_file()
    with pytest.raises(UserSqlError, match=r"^f\.sql:8:1: assertion failed"):
        check(DUMP.replace("ARRAY[7]", "ARRAY[8]"))


def test_an_enum_may_be_extended_and_used_in_one_file(check: Check) -> None:
    text = "CREATE TYPE e AS ENUM ('a');\nALTER TYPE e ADD VALUE 'b';\nCREATE TABLE t (e e DEFAULT 'b');\n"
    assert check(text + "CREATE TABLE u (i int);\nCREATE INDEX CONCURRENTLY ON u (i);").notices == ()


@pytest.mark.own_server("it makes roles")
@pytest.mark.parametrize("roles_too", [False, True])
def test_what_was_installed_stays_for_the_run_unless_roles_have_to_go(
    target: EmbeddedTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, roles_too: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.sql").write_text(BALANCE + ("CREATE ROLE teller; GRANT SELECT ON balance TO teller;" * roles_too))
    request = read_request(sql=["f.sql"], call=["SELECT spend(40)"])
    with Databases(target, keeps=True) as databases:
        before = set(databases._templates.values())
        ready = check_on(target, request, databases, file=None, folder=tmp_path)
        there = set(databases._templates.values()) - before
    assert len(there) == (0 if roles_too else 1)
    with Databases(target) as of_the_run:
        assert ({of_the_run.template(ready.scenario.install)} == there) is not roles_too
        if roles_too:
            of_the_run.drop(of_the_run.template(ready.scenario.install))
    with connect(target.conninfo("postgres"), application_name="test") as conn:
        conn.execute("DROP ROLE IF EXISTS teller")


def test_roles_that_the_file_makes_itself_can_be_made_again(check: Check) -> None:
    text = "CREATE ROLE adhoc_own; CREATE TABLE t (i int); GRANT SELECT ON t TO adhoc_own;"
    ready = check(text, "SELECT * FROM t", role="adhoc_own")
    assert ready.notices == ()
    assert ready.scenario.workers[0].role == "adhoc_own"
