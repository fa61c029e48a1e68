"""The homemade test as a baseline: ordinary executions that the ordinary checks judge."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg import pq
from small_mutants import SLOW, TAKE, write_mutant, write_system

from harness.checks import judge
from harness.checks.ending import deadlock
from harness.driver import threads
from harness.driver.pool import WorkerPool
from harness.driver.wire import Message
from harness.errors import UserSqlError
from harness.model import EventKind, Execution, Scenario, Search, Worker
from harness.mutants.files import read_mutant
from harness.mutants.setting import with_mutant
from harness.stage import Stage, Stages
from harness.statements import make_statement, unique_names
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget


@pytest.fixture
def system(tmp_path: Path) -> Path:
    return write_system(tmp_path)


@contextmanager
def staged(scenario: Scenario, target: EmbeddedTarget, databases: Databases, pool: WorkerPool) -> Iterator[Stage]:
    stages = Stages(scenario, target, databases, pool)
    try:
        yield stages.of(Search(strategy="free_running"))
    finally:
        stages.close()


def scenario_of(system: Path, sql: str, *calls: tuple[str, ...], **worker: bool) -> Scenario:
    """The system with ``sql`` in it; ``calls``: other statements than the setting's, per worker."""
    scenario = with_mutant(read_mutant(write_mutant(system, "m", sql)), None)
    if not calls:
        return scenario
    workers = tuple(
        Worker(name=f"w{i}", statements=tuple(unique_names(make_statement(s) for s in call)), **worker)
        for i, call in enumerate(calls, 1)
    )
    return replace(scenario, workers=workers)


def violated(stage: Stage, execution: Execution) -> set[str]:
    return {v.check for r in judge(stage.context(execution, None)) for v in r.violations}


def test_a_blatant_race_is_seen(system: Path, target: EmbeddedTarget, databases: Databases, pool: WorkerPool) -> None:
    with staged(scenario_of(system, SLOW), target, databases, pool) as stage:
        execution = stage.released_by_threads(0, seed=5)
        assert violated(stage, execution) == {"never_negative", "serial_equivalence"}
        again = stage.released_by_threads(1, seed=5)
    assert (execution.number, execution.schedule.seed, execution.schedule.decisions) == (0, 5, ())
    assert execution.history.opening["accounts"] == again.history.opening["accounts"] == ({"id": 1, "balance": 1000},)
    assert execution.history.closing["accounts"] == ({"id": 1, "balance": -1000},)
    for worker in ("w1", "w2"):
        events = [e for e in execution.history.events if e.worker == worker]
        assert [e.kind for e in events] == [EventKind.INVOKE, EventKind.OK]
        assert events[1].answer == ({"take": "paid"},)


def test_nothing_is_seen_of_a_correct_function(
    system: Path, target: EmbeddedTarget, databases: Databases, pool: WorkerPool
) -> None:
    with staged(scenario_of(system, TAKE), target, databases, pool) as stage:
        for number in range(20):
            execution = stage.released_by_threads(number, seed=0)
            assert violated(stage, execution) == set()
            assert execution.history.closing["accounts"] == ({"id": 1, "balance": 0},)


def test_transactions_go_as_written(
    system: Path, target: EmbeddedTarget, databases: Databases, pool: WorkerPool
) -> None:
    calls = ("BEGIN", "SELECT take()", "COMMIT")
    with staged(scenario_of(system, SLOW, calls, calls), target, databases, pool) as stage:
        execution = stage.released_by_threads(0, seed=0)
        assert "never_negative" in violated(stage, execution)
    mine = [(e.kind, e.step) for e in execution.history.events if e.worker == "w1"]
    assert [kind for kind, _ in mine] == [EventKind.INVOKE, EventKind.OK] * 3
    assert execution.history.liveness.idle_in_transaction == ()


def test_an_error_ends_a_worker_unless_it_keeps_going(
    system: Path, target: EmbeddedTarget, databases: Databases, pool: WorkerPool
) -> None:
    calls = (("BEGIN", "SELECT 1/0", "COMMIT", "SELECT take()"), ("SELECT 1",))
    with staged(scenario_of(system, TAKE, *calls), target, databases, pool) as stage:
        history = stage.released_by_threads(0, seed=0).history
    mine = [e for e in history.events if e.worker == "w1"]
    assert [e.kind for e in mine][-3:] == [EventKind.INVOKE, EventKind.FAIL, EventKind.END]
    assert (mine[-2].sqlstate, mine[-2].message) == ("22012", "division by zero")
    assert history.closing["accounts"] == ({"id": 1, "balance": 1000},)
    with staged(scenario_of(system, TAKE, *calls, keep_going=True), target, databases, pool) as stage:
        history = stage.released_by_threads(0, seed=0).history
    mine = [e for e in history.events if e.worker == "w1" and e.kind is not EventKind.INVOKE]
    assert [e.kind for e in mine] == [EventKind.OK, EventKind.FAIL, EventKind.FAIL, EventKind.OK]
    assert mine[2].message == "COMMIT of a failed transaction: rolled back"
    assert history.closing["accounts"] == ({"id": 1, "balance": 0},)


def test_what_is_left_open_is_told(
    system: Path, target: EmbeddedTarget, databases: Databases, pool: WorkerPool
) -> None:
    with staged(scenario_of(system, TAKE, ("BEGIN", "SELECT take()"), ("SELECT 1",)), target, databases, pool) as stage:
        execution = stage.released_by_threads(0, seed=0)
        assert violated(stage, execution) == {"liveness"}
    assert execution.history.liveness.idle_in_transaction == ("w1",)
    assert {row["worker"] for row in execution.history.liveness.locks} == {"w1"}


@pytest.mark.parametrize("late", [False, True])
def test_a_deadlock_is_told(
    late: bool,
    system: Path,
    target: EmbeddedTarget,
    databases: Databases,
    pool: WorkerPool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``late``: the other worker, set free by the error, has ended before the victim's thread gets to tell of it."""
    answered = threads._sent

    def sent(connection: pq.abc.PGconn, text: str) -> Message:
        reply = answered(connection, text)
        if late and reply.get("sqlstate") == "40P01":
            time.sleep(0.5)
        return reply

    monkeypatch.setattr(threads, "_sent", sent)

    def crossing(one: int, other: int) -> tuple[str, ...]:
        held = f"EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = {other})"
        return ("BEGIN", f"SELECT pg_advisory_xact_lock({one})",
                f"DO $$ BEGIN WHILE NOT {held} LOOP PERFORM pg_sleep(0.001); END LOOP; END $$",
                f"SELECT pg_advisory_xact_lock({other})", "COMMIT")  # fmt: skip

    with staged(scenario_of(system, TAKE, crossing(1, 2), crossing(2, 1)), target, databases, pool) as stage:
        execution = stage.released_by_threads(0, seed=0)
        assert deadlock(stage.context(execution, None)).violations
    [event] = [e for e in execution.history.events if e.kind is EventKind.DEADLOCK]
    assert event.blockers == ("w1", "w2")


def test_a_role_that_is_not_there(system: Path, target: EmbeddedTarget, databases: Databases, pool: WorkerPool) -> None:
    scenario = scenario_of(system, TAKE)
    scenario = replace(scenario, workers=tuple(replace(w, role="nobody_at_all") for w in scenario.workers))
    with (
        staged(scenario, target, databases, pool) as stage,
        pytest.raises(UserSqlError, match='worker w1: role "nobody_at_all" does not exist'),
    ):
        stage.released_by_threads(0, seed=0)
