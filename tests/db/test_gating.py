"""Functions with gates do what they did without, and stop where they should."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from corpus_cases import Case, cases, statements
from corpus_runs import ledger as case_ledger
from gate_samples import SAMPLES, TABLES, Sample
from gated import FIRST_TURN, Shown, Watched, gate, ledger, sign_of_life, take_control
from psycopg.conninfo import make_conninfo

from harness.db import connect
from harness.model import SiteKind

NewDatabase = Callable[..., psycopg.Connection[Any]]
Beside = Callable[[psycopg.Connection[Any]], psycopg.Connection[Any]]

# ------------------------------------------------------------------------------------------------- same behaviour


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
def test_a_function_with_gates_does_what_it_did_without(
    sample: Sample, new_database: NewDatabase, beside: Beside
) -> None:
    plain, open_gates, controlled = new_database(), new_database(), new_database()
    controller = beside(controlled)
    watched = [Watched(c) for c in (plain, open_gates, controlled)]
    for one in watched:
        one.connection.execute((TABLES + sample.sql).encode())
    gates = gate(open_gates, list(sample.calls))
    assert gate(controlled, list(sample.calls)) == gates
    sign_of_life(controller)
    take_control(controlled)
    ids = {site.number: site.id for site in gates.sites}
    for call, passed in sample.calls.items():
        shown = [one.run(call) for one in watched]
        assert shown[1] == shown[0]
        assert shown[2] == shown[0]
        assert watched[0].turns == watched[1].turns == []
        assert " ".join(ids[site] for site in watched[2].sites) == passed
        watched[2].turns.clear()
        assert ledger(open_gates) == ledger(plain) == ledger(controlled)


@pytest.fixture
def beside() -> Iterator[Callable[[psycopg.Connection[Any]], psycopg.Connection[Any]]]:
    """``beside(connection)``: another session in the same database."""
    opened = []

    def make(connection: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
        info = connection.info
        where = make_conninfo(info.dsn, password=info.password or None)  # which a DSN leaves out
        opened.append(connect(where, application_name="beside"))
        return opened[-1]

    yield make
    for connection in opened:
        connection.close()


def test_a_condition_that_was_spelt_out_names_its_own_line_in_errors(new_database: NewDatabase) -> None:
    """The one difference: a CASE, ELSIF or WHEN whose later condition has a gate is a statement of its own there."""
    connection = new_database()
    connection.execute(
        (
            TABLES + "CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $$BEGIN CASE\nWHEN false THEN NULL;\n"
            "WHEN (SELECT n = 0 FROM a WHERE id = 1) THEN NULL; END CASE; END$$"
        ).encode()
    )
    watched = Watched(connection)
    before = watched.run("SELECT f()")
    gate(connection, ["SELECT f()"])
    after = watched.run("SELECT f()")
    assert (before.sqlstate, before.context) == ("20000", "PL/pgSQL function f() line 1 at CASE")
    assert (after.sqlstate, after.context) == ("20000", "PL/pgSQL function f() line 3 at CASE")


# ----------------------------------------------------------------------------------------------------- being held

_MAKE_ROLE = """DO $$BEGIN IF to_regrole('{0}') IS NULL THEN CREATE ROLE {0}; END IF;
EXCEPTION WHEN duplicate_object THEN NULL; END$$"""
RACE = f"""{TABLES}
CREATE FUNCTION once(k integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO b (n) SELECT k WHERE NOT EXISTS (SELECT FROM b WHERE n = k);
  RETURN FOUND;
END $$;
CREATE FUNCTION add() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE v integer;
BEGIN
  UPDATE a SET n = n + 1 WHERE id = 1 AND n < 12 RETURNING n INTO v;
  RETURN v;
END $$;
CREATE FUNCTION drop_it() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN DELETE FROM b WHERE n = 1 AND id < 100; RETURN FOUND; END $$;
CREATE FUNCTION look() RETURNS integer LANGUAGE plpgsql SET lock_timeout = '5ms' AS $$
DECLARE v integer; BEGIN SELECT n INTO v FROM a WHERE id = 1 FOR UPDATE; RETURN v; END $$;
"""


class Held:
    """A worker's session that runs in a thread, and the controller's session, which lets it go gate by gate."""

    def __init__(self, worker: psycopg.Connection[Any], controller: psycopg.Connection[Any]) -> None:
        self.watched, self._controller = Watched(worker), controller
        self._pid, self._held = worker.info.backend_pid, FIRST_TURN
        self._executor = ThreadPoolExecutor(1)
        take_control(worker)
        self._lock(self._held)

    def start(self, sql: str) -> None:
        self._running = self._executor.submit(self.watched.run, sql)

    def arrived(self, turn: int) -> None:
        """Waits until the worker stands at its gate number ``turn`` (from 1)."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if (
                self._controller.execute(
                    "SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted AND locktype = 'advisory'",
                    [self._pid],
                ).fetchone()
                == (1,)
                and len(self.watched.turns) == turn
            ):
                return
            time.sleep(0.002)
        raise AssertionError(f"never came to gate {turn}: {self.watched.turns}")

    def go_on(self, gates: int = 1) -> None:
        self._lock(self._held + gates)
        self._controller.execute("SELECT pg_advisory_unlock(%s, %s)", [self._pid, self._held])
        self._held += gates

    def answer(self) -> Shown:
        """Lets it run to its end."""
        self.go_on(1000)
        return self.ended()

    def ended(self) -> Shown:
        return self._running.result(timeout=120)

    def close(self) -> None:
        self._executor.shutdown()

    def _lock(self, turn: int) -> None:
        self._controller.execute("SELECT pg_advisory_lock(%s, %s)", [self._pid, turn])


@pytest.fixture
def race(new_database: NewDatabase, beside: Beside) -> Iterator[Callable[[], Held]]:
    """``race()``: one more held worker in a database with the functions of `RACE`."""
    first = new_database()
    first.execute(RACE.encode())
    gate(first, ["SELECT once(1), add(), drop_it(), look()"])
    sign_of_life(first)
    made: list[Held] = []

    def make() -> Held:
        made.append(Held(beside(first), first))
        return made[-1]

    yield make
    for held in made:
        held.close()


def test_an_overlap_point_lies_between_snapshot_and_scan(race: Callable[[], Held]) -> None:
    one, two = race(), race()
    for held in (one, two):
        held.start("SELECT once(7)")
        held.arrived(1)
        held.go_on()
        held.arrived(2)
    assert one.answer().rows == (("true",),)
    assert two.answer().rows == (("true",),), "its snapshot is older than the other's commit"


def test_a_statement_point_lies_before_the_snapshot(race: Callable[[], Held]) -> None:
    one, two = race(), race()
    for held in (one, two):
        held.start("SELECT once(7)")
        held.arrived(1)
    assert one.answer().rows == (("true",),)
    assert two.answer().rows == (("false",),)


def test_a_recheck_of_a_changed_row_passes_no_gate_again(race: Callable[[], Held]) -> None:
    one, two = race(), race()
    for held in (one, two):
        held.start("SELECT add()")
        held.arrived(1)
        held.go_on()
        held.arrived(2)
    one.watched.turns.clear()
    assert one.answer().rows == ((11,),)
    assert two.answer().rows == ((12,),), "the row was read again in its new version"
    assert [turn for turn, _ in two.watched.turns] == [FIRST_TURN, FIRST_TURN + 1]
    again = race()
    again.start("SELECT add()")
    again.arrived(1)
    assert again.answer().rows == ((None,),), "the condition fails on the new version"


def test_a_deleted_row_is_seen_to_be_gone(race: Callable[[], Held]) -> None:
    one, two = race(), race()
    for held in (one, two):
        held.start("SELECT drop_it()")
        held.arrived(1)
        held.go_on()
        held.arrived(2)
    assert one.answer().rows == ((True,),)
    assert two.answer().rows == ((False,),)
    assert len(two.watched.turns) == 2


def test_a_lock_timeout_of_the_function_does_not_strike_at_a_gate(race: Callable[[], Held]) -> None:
    one = race()
    one.start("SELECT look()")
    one.arrived(1)
    time.sleep(0.05)
    one.go_on()
    one.arrived(2)
    time.sleep(0.05)
    shown = one.answer()
    assert (shown.rows, shown.sqlstate) == (((10,),), None)


def test_a_worker_without_a_controller_does_not_run_on(new_database: NewDatabase, beside: Beside) -> None:
    """Not far, to be exact: not through ten thousand gates."""
    first = new_database()
    first.execute(RACE.encode())
    first.execute(
        "CREATE FUNCTION add_often() RETURNS void LANGUAGE plpgsql AS $$"
        "BEGIN FOR i IN 1..10000 LOOP UPDATE a SET n = n + 1 WHERE id = 1; END LOOP; END $$"
    )
    gate(first, ["SELECT add_often()"])
    controller = beside(first)
    sign_of_life(controller)
    held = Held(beside(first), controller)
    held.start("SELECT add_often()")
    held.arrived(1)
    controller.close()
    shown = held.ended()
    assert "the controller is gone" in str(shown.message)
    assert first.execute("SELECT n FROM a WHERE id = 1").fetchone() == (10,)
    held.close()


# ------------------------------------------------------------------------------------------- roles, paths, refusals


@pytest.mark.own_server("it makes roles")
def test_roles_without_rights_pass_and_names_need_no_search_path(new_database: NewDatabase, beside: Beside) -> None:
    first = new_database()
    first.execute(
        (
            TABLES + "CREATE FUNCTION f() RETURNS integer LANGUAGE plpgsql SET search_path = '' AS $$ BEGIN\n"
            "UPDATE public.a SET n = n + 1; RETURN (SELECT sum(n) FROM public.a); END $$;"
            "CREATE FUNCTION g() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp"
            " AS $$ BEGIN RETURN f(); END $$; DO $$ BEGIN CREATE ROLE gate_nobody; EXCEPTION WHEN duplicate_object"
            " THEN NULL; END $$; GRANT SELECT, UPDATE ON a TO gate_nobody;"
        ).encode()
    )
    gate(first, ["SELECT g()"])
    sign_of_life(first)
    worker = beside(first)
    take_control(worker)
    watched = Watched(worker)
    for sql in ("SELECT f()", "SELECT g()"):
        worker.execute("SET ROLE gate_nobody")
        assert watched.run(sql).sqlstate is None
        worker.execute("RESET ROLE")
    assert watched.sites == [1, 2, 3, 1, 2, 3]
    worker.execute("DISCARD ALL")
    assert watched.run("SELECT f()").sqlstate is None
    assert len(watched.sites) == 6
    take_control(worker)
    assert watched.run("BEGIN READ ONLY").sqlstate is None
    assert watched.run("SELECT f()").sqlstate == "25006"
    assert len(watched.sites) == 7
    first.execute("DROP OWNED BY gate_nobody")


@pytest.mark.own_server("it makes roles")
def test_a_refused_copy_is_opaque_and_its_callers_know(new_database: NewDatabase) -> None:
    first = new_database()
    first.execute(
        (
            TABLES + "CREATE FUNCTION theirs() RETURNS void LANGUAGE plpgsql AS $$BEGIN UPDATE a SET n = 0; END$$;"
            "DO $$ BEGIN CREATE ROLE gate_owner; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        ).encode()
    )
    [(database,)] = first.execute("SELECT current_database()").fetchall()
    first.execute(f"GRANT CREATE ON DATABASE {database} TO gate_owner".encode())
    first.execute("GRANT CREATE ON SCHEMA public TO gate_owner")
    first.execute("SET ROLE gate_owner")
    first.execute("CREATE FUNCTION mine() RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM theirs(); END$$")
    gates = gate(first, ["SELECT mine()"])
    assert [(o.function, o.reason) for o in gates.opaque] == [
        ("public.theirs()", "the server refused its copy: must be owner of function theirs")
    ]
    assert [(s.id, s.footprint.writes) for s in gates.sites] == [("mine:1", {"a"})]
    assert gates.functions == {"public.mine()"}
    first.execute("RESET ROLE")
    first.execute("DROP OWNED BY gate_owner CASCADE")


def test_types_that_only_another_search_path_finds(new_database: NewDatabase) -> None:
    first = new_database()
    first.execute(
        TABLES.encode() + b"CREATE SCHEMA app; CREATE DOMAIN app.amount AS integer; SET search_path = app, public;"
        b"CREATE FUNCTION f() RETURNS amount LANGUAGE plpgsql AS $$DECLARE v amount; BEGIN"
        b" SELECT n INTO v FROM a WHERE id = 1; RETURN v; END$$; RESET search_path"
    )
    gates = gate(first, ["SELECT app.f()"])
    assert gates.opaque == ()
    assert [s.id for s in gates.sites] == ["f:1"]
    first.execute("SET search_path = app, public")
    assert first.execute("SELECT f()").fetchone() == (10,)
    assert first.execute("SHOW check_function_bodies").fetchone() == ("on",)


def test_what_runs_as_one_step_is_said(new_database: NewDatabase) -> None:
    first = new_database()
    first.execute(
        TABLES.encode() + b"CREATE FUNCTION stable() RETURNS integer STABLE LANGUAGE sql AS 'SELECT n FROM a';"
        b"CREATE FUNCTION pure() RETURNS integer STABLE LANGUAGE sql AS 'SELECT 1';"
        b"CREATE FUNCTION atomic() RETURNS integer BEGIN ATOMIC SELECT n FROM a; END;"
        b"CREATE FUNCTION makes() RETURNS void LANGUAGE sql AS 'CREATE TABLE z (); SELECT 1';"
        b"CREATE FUNCTION f() RETURNS integer LANGUAGE plpgsql AS $$BEGIN\nPERFORM pure(); PERFORM stable();"
        b"PERFORM atomic(); RETURN 1; END$$;"
    )
    gates = gate(first, ["SELECT f(), makes()"])
    assert [s.label for s in gates.sites] == ["f:2 SELECT stable()", "f:2.2 SELECT atomic()"]
    assert {o.function: o.reason for o in gates.opaque} == {
        "public.atomic()": "BEGIN ATOMIC",
        "public.makes()": "an SQL body with more than queries",
        "public.stable()": "STABLE: it reads its caller's snapshot",
    }


def test_dynamic_sql_may_call_anything(new_database: NewDatabase) -> None:
    first = new_database()
    first.execute(RACE.encode())
    assert {s.function for s in gate(first, ["SELECT add()"]).sites} == {"public.add()"}
    assert len({s.function for s in gate(first, ["DO $$BEGIN PERFORM add(); END$$"]).sites}) == 4


# ------------------------------------------------------------------------------------------------------- the corpus


@pytest.mark.parametrize("case", cases(), ids=lambda c: c.name)
def test_the_corpus_with_gates_does_what_it_did_without(case: Case, new_database: NewDatabase, beside: Beside) -> None:
    plain, gated = new_database(), new_database()
    calls = [statement for call in case.calls for statement in statements(call)]
    for connection in (plain, gated):
        if case.role:
            connection.execute(_MAKE_ROLE.format(case.role).encode())
        connection.execute(case.sql.encode())
        for text in case.setup:
            connection.execute(text.encode())
    gates = gate(gated, calls)
    assert gates.sites or gates.opaque
    assert {o.reason for o in gates.opaque} <= {"BEGIN ATOMIC", "IMMUTABLE", "STABLE: it reads its caller's snapshot"}
    sign_of_life(beside(gated))
    workers = [Watched(beside(connection)) for connection in (plain, gated)]
    take_control(workers[1].connection)
    for worker in workers:
        if case.role:
            worker.connection.execute(f"SET ROLE {case.role}".encode())
    for statement in calls:
        before, after = (worker.run(statement) for worker in workers)
        assert masked(after) == masked(before)
    for worker in workers:
        worker.run("ROLLBACK")
    assert masked(case_ledger(gated)) == masked(case_ledger(plain))
    assert bool(workers[1].turns) == bool(gates.sites)
    ids = {site.number: site for site in gates.sites}
    for (_, one), (_, two) in pairwise(workers[1].turns):
        if ids[two].kind is SiteKind.OVERLAP:
            assert one == two - 1, "an overlap point follows its statement's own"


def masked(shown: object) -> str:
    """Without what differs from run to run anyway."""
    return re.sub(
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^\"' ]*"
        r"|datetime\([^)]*\)|UUID\([^)]*\)",
        "…",
        str(shown),
    )
