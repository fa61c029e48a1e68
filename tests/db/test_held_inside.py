"""Workers held inside functions: they stop where they must, however slow the controller's own connection is, and who
wakes first and who falls victim is the same every time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.driver.gatekeeper import Gatekeeper
from harness.driver.pool import WorkerPool
from harness.model import Action, Choice, Decision, EventKind, Execution, Scenario, Schedule, Script, Search, Worker
from harness.stage import Stage
from harness.statements import make_statement, unique_names
from harness.strategies.replay import Replay
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

TABLES = """
CREATE TABLE a (id int PRIMARY KEY, n int NOT NULL); INSERT INTO a VALUES (1, 0);
CREATE TABLE b (id int PRIMARY KEY, n int NOT NULL); INSERT INTO b VALUES (1, 0);
CREATE TABLE log (id int GENERATED ALWAYS AS IDENTITY, who text);
CREATE FUNCTION one(who text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE a SET n = n + 1;
  INSERT INTO log (who) VALUES (who);
END $$;
CREATE FUNCTION forth() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE a SET n = n + 1;
  UPDATE b SET n = n + 1;
END $$;
CREATE FUNCTION back() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE b SET n = n + 1;
  UPDATE a SET n = n + 1;
END $$;
CREATE FUNCTION fails() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE a SET n = 100;
  RAISE EXCEPTION 'no' USING ERRCODE = 'P0001';
END $$;
"""
OpenStage = Callable[..., Stage]


@pytest.fixture
def stage(target: EmbeddedTarget, databases: Databases, pool: WorkerPool) -> Iterator[OpenStage]:
    """``stage(w1=["SELECT one('x')"], …)``: workers from their statements."""
    made: list[Stage] = []

    def open_stage(keep_going: bool = False, **workers: list[str]) -> Stage:
        scenario = Scenario(
            name="held", about="", file="held", text_hash="", install=(Script(name="tables", text=TABLES),), setup=(),
            workers=tuple(
                Worker(name=w, statements=tuple(unique_names(map(make_statement, sql))), keep_going=keep_going)
                for w, sql in workers.items()
            ),
            interleavings=(Search(strategy="auto"),), expect={}, expect_violation=(), invariants=(), state=(), users=(),
            jobs=(), fresh_database=False, restore=True,
        )  # fmt: skip
        made.append(Stage(scenario, target, databases, pool, inside=True))
        return made[-1]

    yield open_stage
    for one in made:
        one.close()


def follow(stage: Stage, text: str, number: int = 0) -> Execution:
    choices = [Choice(worker=w, step=s) for w, _, s in (word.partition(".") for word in text.split())]
    strategy = Replay(Schedule(seed=0, decisions=tuple(Decision(choice=c, enabled=()) for c in choices)), exact=False)
    assert strategy.start()
    return stage.execute(strategy, number, seed=0)


def steps(execution: Execution) -> list[str]:
    return [f"{d.choice}{' blocked' * d.blocked}" for d in execution.schedule.decisions]


def told(execution: Execution) -> list[tuple[Any, ...]]:
    """The history without times."""
    return [(e.kind, e.turn, e.worker, e.step, e.sqlstate, e.blockers, e.answer) for e in execution.history.events]


def who(execution: Execution) -> list[Any]:
    return [row["who"] for row in sorted(execution.history.closing["log"], key=lambda row: row["id"])]


def test_every_point_is_a_step_and_the_commit_is_one_of_its_own(stage: OpenStage) -> None:
    done = follow(stage(w1=["SELECT one('x')"]), "")
    assert steps(done) == ["w1.select", "w1.one:3", "w1.one:3~", "w1.one:4", "w1.select:commit"]
    assert [e.kind for e in done.history.events if e.kind is not EventKind.LEDGER][-2:] == ["invoke", "ok"]
    assert who(done) == ["x"]


@pytest.mark.own_server("it stops a backend")
def test_a_worker_is_not_quicker_than_the_keys(stage: OpenStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backend that holds the keys is stopped for a while just when it is asked for them."""
    opened = stage(w1=["SELECT one('x')"], w2=["SELECT one('y')"])
    plain = Gatekeeper.hold
    slowed: list[int] = []

    def slow(self: Gatekeeper, backend: int, turn: int) -> None:
        if len(slowed) < 2:  # once for each worker, before its first step
            slowed.append(backend)
            self.settle()
            os.kill(self.pid, signal.SIGSTOP)
            threading.Timer(0.1, os.kill, (self.pid, signal.SIGCONT)).start()
        plain(self, backend, turn)

    monkeypatch.setattr(Gatekeeper, "hold", slow)
    done = follow(opened, "w1.select w2.select w1.one:3 w1.one:3~")
    assert steps(done)[:4] == ["w1.select", "w2.select", "w1.one:3", "w1.one:3~"]  # w2 has not taken the row
    assert who(done) == ["x", "y"]
    assert len(set(slowed)) == 2


@pytest.mark.own_server("only there it is a rule who wakes first")
def test_three_workers_on_one_row_wake_in_the_order_in_which_they_came(stage: OpenStage) -> None:
    opened = stage(w1=["SELECT one('x')"], w2=["SELECT one('y')"], w3=["SELECT one('z')"])
    order = " ".join([*(f"{w}.{s}" for w in ("w1", "w3", "w2") for s in ("select", "one:3", "one:3~")), "w1.one:4"])
    runs = [follow(opened, f"{order} w1.select:commit", n) for n in range(60)]
    assert {tuple(who(run)) for run in runs} == {("x", "z", "y")}
    assert all(told(run) == told(runs[0]) for run in runs)


@pytest.mark.own_server("only there it is a rule whom a deadlock strikes")
def test_whoever_closes_a_cycle_of_waits_is_the_victim(stage: OpenStage) -> None:
    opened = stage(w1=["SELECT forth()"], w2=["SELECT back()"])
    order = "w1.select w1.forth:3 w1.forth:3~ w2.select w2.back:3 w2.back:3~ {0} {1}"
    first, second = "w1.forth:4 w1.forth:4~", "w2.back:4 w2.back:4~"
    for n in range(60):
        text, victim = (order.format(first, second), "w2") if n % 2 else (order.format(second, first), "w1")
        done = follow(opened, text, n)
        assert [(e.worker, e.sqlstate) for e in done.history.events if e.sqlstate] == [(victim, "40P01")]
        assert [e.worker for e in done.history.events if e.kind is EventKind.DEADLOCK] == [victim]


@pytest.mark.own_server("only there it is a rule who wakes first")
def test_running_on_through_open_gates_changes_nothing_on_a_busy_machine(stage: OpenStage, pool: WorkerPool) -> None:
    """An exact replay lets a worker run on where its next turns are known: its backend may wait for a lock long before
    its process has told of the gates on the way there."""
    opened = stage(w1=["SELECT one('x')"], w2=["SELECT one('y')"], w3=["SELECT forth()"])
    order = "w1.select w1.one:3 w1.one:3~ w2.select w2.one:3 w2.one:3~ w3.select w3.forth:3 w3.forth:3~ w1.one:4"
    first = follow(opened, order)
    assert sum(d.blocked for d in first.schedule.decisions) == 2
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    for process in pool.take(3):  # the backends get ahead of them
        os.setpriority(os.PRIO_PROCESS, process.pid, 19)
    try:
        for n in range(1, 80):
            again = Replay(first.schedule, exact=True)
            assert again.start()
            assert told(opened.execute(again, n, seed=0)) == told(first)
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
        for process in pool.take(3):
            process.kill()  # a plain user may not give them their priority back


def test_an_error_undoes_its_own_transaction_and_a_worker_that_keeps_going_goes_on(stage: OpenStage) -> None:
    done = follow(stage(True, w1=["SELECT fails()", "SELECT one('x')"], w2=["SELECT one('y')"]), "")
    assert steps(done)[:4] == ["w1.select", "w1.fails:3", "w1.fails:3~", "w1.select_2"]
    assert done.history.closing["a"] == ({"id": 1, "n": 2},)
    assert not done.history.liveness.idle_in_transaction


def test_a_statement_inside_a_transaction_has_no_commit_of_its_own(stage: OpenStage) -> None:
    done = follow(stage(w1=["BEGIN", "SELECT one('x')", "COMMIT"]), "")
    assert steps(done) == ["w1.begin", "w1.select", "w1.one:3", "w1.one:3~", "w1.one:4", "w1.commit"]


def test_a_worker_killed_at_a_gate_loses_its_transaction_and_holds_nobody_up(stage: OpenStage) -> None:
    opened = stage(w1=["SELECT one('x')"], w2=["SELECT one('y')"])
    begun = [("w1", "select"), ("w1", "one:3"), ("w1", "one:3~"), ("w2", "select"), ("w2", "one:3"), ("w2", "one:3~")]
    choices = [*(Choice(worker=w, step=s) for w, s in begun), Choice(worker="w1", action=Action.KILL)]
    strategy = Replay(Schedule(seed=0, decisions=tuple(Decision(choice=c, enabled=()) for c in choices)), exact=False)
    assert strategy.start()
    done = opened.execute(strategy, 0, seed=0)
    assert steps(done)[5:7] == ["w2.one:3~ blocked", "w1.kill"]
    assert who(done) == ["y"]
    assert not done.history.liveness.waiting
    assert not done.history.liveness.locks


def test_what_is_left_at_a_gate_is_cleaned_up(stage: OpenStage) -> None:
    """An execution that ends early leaves workers at their gates; the next one begins with all of them free."""

    class Stops(Replay):
        def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
            return super().choose(enabled) if self._turn < 3 else None

    opened = stage(w1=["SELECT one('x')"], w2=["SELECT one('y')"])
    choices = [
        Choice(worker="w1", step="select"),
        Choice(worker="w1", step="one:3"),
        Choice(worker="w2", step="select"),
    ]
    early = Stops(Schedule(seed=0, decisions=tuple(Decision(choice=c, enabled=()) for c in choices)), exact=False)
    assert early.start()
    cut = opened.execute(early, 0, seed=0)
    assert len(cut.schedule.decisions) == 3
    assert cut.history.closing["a"] == ({"id": 1, "n": 0},)
    assert who(follow(opened, "", 1)) == ["x", "y"]
