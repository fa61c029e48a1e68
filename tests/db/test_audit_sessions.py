"""An audit takes nothing but looks: what it locks, what it leaves, what it may not see, and on a replica."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from audit_ledgers import CATCH_UP, PLANTS, WARNINGS, ledger_script, migrations, plant, told
from audits import Ledgers, audited
from standbys import PRIMARY, Standby

from harness.audit.session import APPLICATION, Reading, TookTooLong, reading
from harness.db import connect
from harness.errors import TargetError, UsageError
from harness.model import Verdict
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget
from harness.targets.server import ServerTarget

pytestmark = pytest.mark.own_server("ledgers are owned, granted and replicated as only a superuser may")

USERS = 20
SEEN = """SELECT a.application_name, l.locktype, l.mode, a.backend_xid FROM pg_locks AS l
  JOIN pg_stat_activity AS a USING (pid) WHERE pid = %s"""
DEAF = """CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA public TO {role};
  GRANT SELECT ON public.story_jobs, public.user_balances TO {role}; {more}"""


@pytest.fixture
def ledgers(target: EmbeddedTarget, databases: Databases) -> Iterator[Ledgers]:
    made = Ledgers(target, databases)
    yield made
    made.close()


def test_it_is_read_only_in_one_snapshot_under_its_own_name_with_share_locks_alone(
    ledgers: Ledgers, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = ledgers.opened(USERS)
    held: list[tuple[Any, ...]] = []
    settings: dict[str, Any] = {}
    rows = Reading.rows

    def watched(self: Reading, query: str, values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        found = rows(self, query, values)
        held.extend(connection.execute(SEEN, [self.connection.info.backend_pid]).fetchall())
        for name in ("transaction_isolation", "transaction_read_only", "transaction_deferrable", "statement_timeout"):
            settings[name] = rows(self, f"SELECT current_setting('{name}') AS s")[0]["s"]
        return found

    monkeypatch.setattr(Reading, "rows", watched)
    audited(ledgers.dsn(connection), timeout_s=45.0)
    assert {name for name, *_ in held} == {APPLICATION}
    assert {mode for _, kind, mode, _ in held if kind != "virtualxid"} == {"AccessShareLock"}
    assert {kind for _, kind, *_ in held} == {"relation", "virtualxid"}
    assert {xid for *_, xid in held} == {None}  # it never got a transaction id: it wrote nothing
    assert settings == {
        "transaction_isolation": "repeatable read", "transaction_read_only": "on", "transaction_deferrable": "off",
        "statement_timeout": "45s",
    }  # fmt: skip


def test_it_leaves_no_session_and_the_database_as_it_was_to_the_byte(ledgers: Ledgers, target: EmbeddedTarget) -> None:
    dump = [shutil.which("pg_dump", path=str(target.binaries.folder)) or shutil.which("pg_dump"), "--no-password"]
    connection = ledgers.opened(USERS, CATCH_UP)
    PLANTS[0].planted(connection, 7)
    where = ledgers.dsn(connection)
    state = "SELECT md5(string_agg(c::text, '' ORDER BY c.oid)), pg_current_wal_insert_lsn()::text FROM pg_class AS c"

    def looked() -> Any:
        catalog = connection.execute(state).fetchall()
        if dump[0] is None or "18" not in subprocess.run([dump[0], "-V"], capture_output=True, text=True).stdout:
            tables = ("story_jobs", "user_balances", "balance_transactions")
            texts = [connection.execute(f"SELECT t::text FROM {t} AS t ORDER BY 1".encode()).fetchall() for t in tables]
            return catalog, texts
        dumped = subprocess.run([*dump, "--restrict-key=x", where], capture_output=True, text=True, check=True).stdout
        return catalog, dumped

    looked()  # whatever a first look leaves behind (hint bits) is there
    before = looked()
    audited(where)
    assert looked() == before
    sessions = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [APPLICATION])
    assert sessions.fetchone() == (0,)


def test_a_query_that_takes_too_long_costs_its_checks_alone(ledgers: Ledgers) -> None:
    connection = ledgers.opened(USERS)
    # Whoever reads this view waits for ever: the audit's own timeout ends it.
    connection.execute("""ALTER TABLE public.user_balances RENAME TO kept;
      CREATE VIEW public.user_balances AS SELECT k.* FROM public.kept AS k WHERE pg_sleep(30) IS NOT NULL""")
    result = audited(ledgers.dsn(connection), timeout_s=0.5)
    assert result.verdict is Verdict.ERROR
    assert {c.check for c in result.checks if c.skipped} == {"balance_matches_ledger", "orphan_user"}
    assert "raise --timeout" in result.trouble
    assert "highest_balances" in result.trouble
    assert result.tables[2].rows is None


def test_an_exclusive_lock_is_not_waited_for_for_ever(ledgers: Ledgers, target: EmbeddedTarget) -> None:
    connection = ledgers.opened(USERS)
    name = connection.info.dbname
    with (
        psycopg.connect(target.conninfo(name)) as other,
        ServerTarget(ledgers.dsn(connection)) as server,
        reading(server, 60) as session,
    ):
        other.execute("LOCK TABLE public.story_jobs IN ACCESS EXCLUSIVE MODE")
        session.rows("SELECT set_config('lock_timeout', '50ms', true)")
        with pytest.raises(TargetError, match="exclusive lock"):
            session.rows("SELECT count(*) FROM public.story_jobs")


def test_a_timeout_leaves_the_transaction_usable(ledgers: Ledgers) -> None:
    connection = ledgers.opened(USERS)
    with ServerTarget(ledgers.dsn(connection)) as server, reading(server, 0.1) as session:
        with pytest.raises(TookTooLong, match=r"took more than 0\.1 s"):
            session.rows("SELECT pg_sleep(30)")
        assert session.rows("SELECT 1 AS one") == [{"one": 1}]
        with pytest.raises(TargetError, match="read-only transaction"):
            session.rows("INSERT INTO public.user_balances SELECT gen_random_uuid(), 1 RETURNING 1")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("", "may not read public.balance_transactions: GRANT SELECT ON public.balance_transactions to it"),
        (
            "GRANT SELECT (id, seq) ON public.balance_transactions TO {role}",
            "may not read public.balance_transactions.user_id",
        ),
        (
            "GRANT SELECT ON public.balance_transactions TO {role};"
            " ALTER TABLE public.balance_transactions ENABLE ROW LEVEL SECURITY",
            "BYPASSRLS",
        ),
    ],
)  # fmt: skip
def test_a_role_that_may_not_see_all_is_told_what_it_needs(more: str, message: str, ledgers: Ledgers) -> None:
    connection = ledgers.opened(USERS)
    role = f"auditor_{os.getpid()}"
    connection.execute(DEAF.format(role=role, more=more.format(role=role)).encode())
    try:
        with pytest.raises(UsageError) as caught:
            audited(ledgers.dsn(connection).replace("postgres@", f"{role}@"))
    finally:
        connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_reading_role_is_enough(ledgers: Ledgers) -> None:
    connection = ledgers.opened(USERS)
    role = f"auditor_{os.getpid()}"
    grant = f"GRANT SELECT ON public.balance_transactions TO {role}"
    connection.execute(DEAF.format(role=role, more=grant).encode())
    try:
        assert audited(ledgers.dsn(connection).replace("postgres@", f"{role}@")).verdict is Verdict.PASS
    finally:
        connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_nobodys_function_of_the_same_name_is_called(ledgers: Ledgers) -> None:
    evil = """CREATE FUNCTION public.count(text) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught'; END $$;
      CREATE FUNCTION public.evil(integer, integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught'; END $$;
      CREATE OPERATOR public.<> (LEFTARG = integer, RIGHTARG = integer, FUNCTION = public.evil);
      ALTER ROLE postgres IN DATABASE :db SET search_path = public, pg_catalog"""
    connection = ledgers.opened(USERS)
    connection.execute(evil.replace(":db", connection.info.dbname).encode())
    assert audited(ledgers.dsn(connection)).verdict is Verdict.PASS


@pytest.fixture(scope="module")
def replicated() -> Iterator[tuple[EmbeddedTarget, Standby]]:
    with EmbeddedTarget(settings=PRIMARY) as primary, Standby(primary) as standby:
        yield primary, standby


def test_on_a_streaming_replica(replicated: tuple[EmbeddedTarget, Standby]) -> None:
    primary, standby = replicated
    with Databases(primary) as databases:
        name = databases.clone(databases.template([*migrations(), ledger_script(USERS)]))
        with connect(primary.conninfo(name), application_name="test") as connection:
            wanted = plant(connection, PLANTS, USERS, len(PLANTS))
            standby.caught_up()
            result = audited(standby.dsn(name))
            assert result.standby
            assert told(result.checks, (*PLANTS, *WARNINGS)) == wanted


def test_a_conflict_with_recovery_says_what_to_do(replicated: tuple[EmbeddedTarget, Standby]) -> None:
    primary, standby = replicated
    with connect(primary.conninfo("postgres"), application_name="test") as connection:
        connection.execute("CREATE TABLE gone AS SELECT 1 AS one")
        standby.caught_up()
        with ServerTarget(standby.dsn("postgres")) as server, reading(server, 60) as session:
            session.rows("SELECT count(*) FROM public.gone")
            connection.execute("DROP TABLE gone")  # its lock is replayed, and the replica waits for one second
            with pytest.raises(TargetError, match="max_standby_streaming_delay"):
                session.rows("SELECT pg_sleep(30)")
