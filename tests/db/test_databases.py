"""Disposable databases, on a server that is ours and on one that is not."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from harness.db import connect
from harness.errors import TargetError, UsageError, UserSqlError
from harness.model import Script
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget
from harness.targets.server import ServerTarget

TABLE = Script(name="table.sql", text="CREATE TABLE t (i int); SET search_path = ''")
ROW = Script(name="row.sql", text="INSERT INTO t VALUES (1)")
PASSWORD = "s3cret"


def _open(target: EmbeddedTarget | ServerTarget, name: str) -> psycopg.Connection[Any]:
    return connect(target.conninfo(name), application_name="test")


def _count(target: EmbeddedTarget, name: str) -> int:
    with _open(target, name) as conn:
        row = conn.execute("SELECT count(*) FROM t").fetchone()
        assert row is not None
        return int(row[0])


def _names(target: EmbeddedTarget, pattern: str) -> list[str]:
    with _open(target, "postgres") as conn:
        rows = conn.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [pattern])
        return [name for (name,) in rows]


def test_a_template_is_made_once_per_content(databases: Databases) -> None:
    assert databases.template([TABLE, ROW]) == databases.template([TABLE, ROW])
    assert databases.template([TABLE, ROW]) != databases.template([TABLE])


def test_who_keeps_templates_leaves_them_to_whoever_comes_later() -> None:
    scripts = [Script(name="kept.sql", text="CREATE TABLE kept ()")]
    with EmbeddedTarget() as ours:
        with Databases(ours) as nobodys:
            alone = nobodys.template(scripts)
        with Databases(ours, keeps=True) as first:
            kept, dropped = first.template(scripts), first.template([])
            assert kept != alone
            first.drop(dropped)
        with Databases(ours) as later:
            assert later.template(scripts) == kept
            assert later.template([]) != dropped
            later.drop(later.clone(kept))
        theirs = ServerTarget(ours.conninfo("postgres"))
        with Databases(theirs, keeps=True) as first:
            first.template([])
        with Databases(theirs) as later:
            assert later.template([]) in names(ours)  # made anew: there nothing stays


def names(target: EmbeddedTarget) -> set[str]:
    with connect(target.conninfo("postgres"), application_name="test") as conn:
        return {name for (name,) in conn.execute("SELECT datname FROM pg_database").fetchall()}


def test_each_script_has_a_session_of_its_own(target: EmbeddedTarget, databases: Databases) -> None:
    # TABLE leaves search_path empty, as pg_dump's output does; ROW does not notice.
    assert _count(target, databases.clone(databases.template([TABLE, ROW]))) == 1


def test_clones_do_not_see_each_other(target: EmbeddedTarget, databases: Databases) -> None:
    template = databases.template([TABLE, ROW])
    one, two = databases.clone(template), databases.clone(template)
    with _open(target, one) as conn:
        conn.execute("INSERT INTO t VALUES (2)")
    assert [_count(target, name) for name in (one, two, databases.clone(template))] == [2, 1, 1]


def test_eight_threads_clone_at_once(target: EmbeddedTarget, databases: Databases) -> None:
    def work(number: int) -> str:
        script = Script(name="threads.sql", text=f"CREATE TABLE t (i int) -- {number % 2}")
        name = databases.clone(databases.template([script]))
        assert _count(target, name) == 0
        databases.drop(name)
        return name

    with ThreadPoolExecutor(8) as threads:
        names = list(threads.map(work, range(16)))
    assert len(set(names)) == 16
    assert not set(names) & set(_names(target, "refund_harness_%"))


def test_drop_takes_one_that_is_in_use_or_gone(target: EmbeddedTarget, databases: Databases) -> None:
    name = databases.clone(databases.template([TABLE]))
    with _open(target, name) as conn:
        databases.drop(name)
        databases.drop(name)
        with pytest.raises(psycopg.OperationalError):
            conn.execute("SELECT 1")


def test_a_failing_script_leaves_no_database(target: EmbeddedTarget, databases: Databases) -> None:
    before = _names(target, "refund_harness_%")
    with pytest.raises(UserSqlError, match=r"^broken\.sql:1:15: "):
        databases.template([TABLE, Script(name="broken.sql", text="SELECT * FROM nothing")])
    assert _names(target, "refund_harness_%") == before


def test_roles_are_made_on_a_server_of_ours(target: EmbeddedTarget, databases: Databases) -> None:
    name = databases.template([TABLE], roles=["some role"])
    assert databases.template([TABLE], roles=["some role"]) == name
    with _open(target, name) as conn:
        conn.execute('SET ROLE "some role"')
        conn.execute("RESET ROLE")
        conn.execute('DROP ROLE "some role"')


@pytest.fixture
def roles(target: EmbeddedTarget) -> Iterator[None]:
    """Two roles as other people's servers have them: one may create databases, one may not."""
    with _open(target, "postgres") as conn:
        conn.execute("CREATE ROLE t_maker LOGIN CREATEDB; CREATE ROLE t_reader LOGIN")
        yield
        conn.execute("DROP ROLE t_maker; DROP ROLE t_reader")


def _dsn(target: EmbeddedTarget, role: str, *, dbname: str = "postgres") -> str:
    return f"postgresql://{role}:{PASSWORD}@/{dbname}?host={target.folder}"


def test_another_ones_server_knows_itself(target: EmbeddedTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_DSN", _dsn(target, "postgres"))
    with ServerTarget("env:SOME_DSN") as server:
        assert not server.owned
        assert server.server_version == target.server_version
        assert server.description == f"postgresql:///postgres?host={target.folder}&port=5432"
        assert psycopg.conninfo.conninfo_to_dict(server.conninfo("other"))["dbname"] == "other"
        assert psycopg.conninfo.conninfo_to_dict(server.conninfo("other"))["gssencmode"] == "disable"


@pytest.mark.usefixtures("roles")
def test_a_plain_role_with_createdb_suffices_and_nothing_stays(target: EmbeddedTarget) -> None:
    server = ServerTarget(_dsn(target, "t_maker"))
    before = _names(target, "%")
    with Databases(server) as made:
        template = made.template([TABLE, ROW])
        clones = [made.clone(template) for _ in range(2)]
        made.drop(clones[0])
        with _open(target, "postgres") as conn:
            comment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
            row = conn.execute(comment, [clones[1]]).fetchone()
            assert row is not None
            assert row[0].startswith("refund-harness: disposable")
        left_open = _open(server, clones[1])
    left_open.close()
    assert _names(target, "%") == before
    made.close()


@pytest.mark.usefixtures("roles")
def test_a_role_without_createdb_learns_what_to_grant(target: EmbeddedTarget) -> None:
    with (
        Databases(ServerTarget(_dsn(target, "t_reader"))) as made,
        pytest.raises(UsageError, match=r'ALTER ROLE "t_reader" CREATEDB$'),
    ):
        made.template([TABLE])


@pytest.mark.usefixtures("roles")
def test_roles_are_not_made_on_another_ones_server(target: EmbeddedTarget) -> None:
    with (
        Databases(ServerTarget(_dsn(target, "t_maker"))) as made,
        pytest.raises(
            UsageError,
            match=r'no role of_nobody on .*: run CREATE ROLE "of_nobody"; GRANT "of_nobody" TO "t_maker" there',
        ),
    ):
        made.template([TABLE], roles=["of_nobody"])


def test_a_refused_connection_shows_no_password(target: EmbeddedTarget) -> None:
    with pytest.raises(TargetError, match=r'database "absent" does not exist') as caught:
        ServerTarget(_dsn(target, "postgres", dbname="absent"))
    assert PASSWORD not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("password", ["s3@cret", "s3/cret", "3/s3cret", "%zzs3cret"])
def test_a_password_that_was_not_escaped_is_not_shown_either(password: str) -> None:
    with pytest.raises(UsageError, match=r"not a valid connection string; in a password write @ as %40") as caught:
        ServerTarget(f"postgresql://me:{password}@localhost/app")
    assert "s3" not in str(caught.value)


def test_a_variable_that_is_not_set_is_bad_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_DSN", raising=False)
    with pytest.raises(UsageError, match=r"the variable 'SOME_DSN' is not set"):
        ServerTarget("env:SOME_DSN")
