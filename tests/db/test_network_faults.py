"""Each fault of the wire on a real server, through a real proxy: what it leaves of the statement and of the session."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from plans import TABLES, kinds, plan, rows, worker
from tls_front import TlsFront

from harness.driver.controller import Controller
from harness.driver.pool import WorkerPool
from harness.errors import DriverError, UsageError
from harness.matrix.evidence import fired
from harness.model import (
    FAULTS,
    MARKS,
    Action,
    Choice,
    Event,
    EventKind,
    Execution,
    Order,
    OrderStep,
    Script,
    Worker,
)
from harness.strategies.fixed import Fixed
from harness.strategies.replay import Replay
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget
from harness.wire import Proxy

UPDATE = "UPDATE t SET v = v || '{}' WHERE id = {}"
HOLDER = worker("a", "BEGIN", UPDATE.format("a", 1), "COMMIT")
WAITER = worker("b", UPDATE.format("b", 1))
STRIKES = {f"!{a.value}": a for a in Action if a.strikes}
NEVER_ARRIVE = ["lost_request", "torn_request"]


@pytest.fixture(scope="module")
def controller(target: EmbeddedTarget, databases: Databases) -> Iterator[Controller]:
    name = databases.clone(databases.template([Script(name="tables", text=TABLES)]))
    with WorkerPool() as pool:
        made = Controller(pool, target.conninfo(name), owned=True)
        yield made
        made.close()
        pool.disconnect()
    databases.drop(name)
    assert not [t for t in threading.enumerate() if t.name == "wire proxy"]


def execute(controller: Controller, steps: str, *workers: Worker) -> Execution:
    """Steps as words: ``a.s0``, ``a.s1!lost_ack``, ``a.!heal``. Also checks that the same choices lead to the same
    events again, and that nothing is left behind."""
    taken = []
    for word in steps.split():
        name, _, step = word.partition(".")
        step, _, mark = (step, "", "") if step in STRIKES else step.partition("!")
        action = STRIKES.get(step) or MARKS.get(mark, Action.RUN)
        taken.append(OrderStep(choice=Choice(worker=name, step="" if action.strikes else step, action=action)))
    done = controller.execute(plan(*workers), Fixed(Order(steps=tuple(taken))))
    replay = Replay(done.schedule, exact=True)
    replay.start()
    again = controller.execute(plan(*workers), replay)
    assert [shape(e) for e in again.history.events] == [shape(e) for e in done.history.events]
    assert again.history.closing == done.history.closing
    assert not done.history.liveness.locks
    return done


def shape(event: Event) -> tuple[object, ...]:
    return event.kind, event.turn, event.worker, event.step, event.sqlstate, event.message, event.answer


def ends(execution: Execution, name: str) -> list[str]:
    completions = (EventKind.OK, EventKind.FAIL, EventKind.INFO)
    return [e.kind.value for e in execution.history.events if e.worker == name and e.kind in completions]


def faults(execution: Execution) -> list[str | None]:
    return [e.message for e in execution.history.events if e.kind is EventKind.FAULT]


def struck(execution: Execution, fault: str) -> bool:
    """Whether the events show that the fault struck ``a`` where it was chosen."""
    action = FAULTS[fault]
    turn = next(i for i, d in enumerate(execution.schedule.decisions) if d.choice.action is action)
    return fired(execution, "a", action, turn)


@pytest.mark.parametrize("fault", NEVER_ARRIVE)
def test_a_commit_that_never_arrives_is_unknown_to_its_client_and_rolled_back(
    controller: Controller, fault: str
) -> None:
    done = execute(controller, f"a.s0 a.s1 b.s0 a.s2!{fault}", HOLDER, WAITER)
    assert struck(done, fault)
    assert ends(done, "a") == ["ok", "ok", "info"]
    assert kinds(done, "b") == ["invoke", "blocked", "woken", "ok"]  # what it held was let go of in that turn
    assert rows(done, "t")[0] == (1, "b")


@pytest.mark.parametrize("fault", [*NEVER_ARRIVE, "lost_ack"])
def test_a_connection_lost_in_mid_transaction_leaves_nothing_for_certain(controller: Controller, fault: str) -> None:
    done = execute(controller, f"a.s0 a.s1!{fault}", HOLDER)
    assert struck(done, fault)
    assert ends(done, "a") == ["ok", "fail"]
    assert rows(done, "t")[0] == (1, "")


@pytest.mark.parametrize(("fault", "left"), [("lost_request", ""), ("torn_request", ""), ("lost_ack", "b")])
def test_of_a_statement_of_its_own_the_client_cannot_know(controller: Controller, fault: str, left: str) -> None:
    done = execute(controller, f"b.s0!{fault}", WAITER)
    assert ends(done, "b") == ["info"]
    assert rows(done, "t")[0] == (1, left)


def test_a_commit_whose_acknowledgement_is_lost_took_effect_and_its_client_lives_on(controller: Controller) -> None:
    done = execute(controller, "a.s0 a.s1 b.s0 a.s2!lost_ack", HOLDER, WAITER)
    assert struck(done, "lost_ack")
    assert faults(done) == ["answered COMMIT; connection lost before any of that arrived"]
    assert ends(done, "a") == ["ok", "ok", "info"]
    assert rows(done, "t")[0] == (1, "ab")
    assert "crash" not in kinds(done, "a")


def test_an_acknowledgement_cannot_be_lost_of_a_statement_that_waits(controller: Controller) -> None:
    with pytest.raises(DriverError, match=r"b\.s0!lost_ack: the statement waits for a lock"):
        execute(controller, "a.s0 a.s1 b.s0!lost_ack", HOLDER, WAITER)
    assert ends(execute(controller, "b.s0", WAITER), "b") == ["ok"]  # and the next execution finds all in order


def test_what_a_session_in_a_black_hole_holds_is_waited_for_until_the_late_commit_arrives(
    controller: Controller,
) -> None:
    done = execute(controller, "a.s0 a.s1 a.s2!black_hole b.s0", HOLDER, WAITER)  # and nobody else is left
    assert struck(done, "black_hole")
    assert [str(d.choice) for d in done.schedule.decisions][-2:] == ["b.s0", "a.!heal"]
    [blocked] = [e for e in done.history.events if e.kind is EventKind.BLOCKED]
    assert blocked.blockers == ("a",)
    assert faults(done)[1:] == ["the black hole ends: s2 arrives late"]
    assert (ends(done, "a"), ends(done, "b")) == (["ok", "ok", "info"], ["ok"])
    assert rows(done, "t")[0] == (1, "ab")


def test_a_server_that_gives_the_silent_session_up_rolls_back_instead(controller: Controller) -> None:
    done = execute(controller, "a.s0 a.s1 a.s2!black_hole b.s0 a.!terminate", HOLDER, WAITER)
    assert ends(done, "b") == ["ok"]
    assert rows(done, "t")[0] == (1, "b")


def test_a_late_statement_of_its_own_takes_effect_after_the_retry(controller: Controller) -> None:
    done = execute(controller, "a.s0!black_hole b.s0 a.!heal", worker("a", UPDATE.format("a", 1)), WAITER)
    assert (ends(done, "a"), ends(done, "b")) == (["info"], ["ok"])
    assert rows(done, "t")[0] == (1, "ba")


def test_a_late_statement_that_must_wait_goes_on_when_it_is_set_free(controller: Controller) -> None:
    late = worker("a", UPDATE.format("a", 1))
    other = worker("b", "BEGIN", UPDATE.format("b", 1), "COMMIT")
    done = execute(controller, "a.s0!black_hole b.s0 b.s1 a.!heal b.s2", late, other)
    assert kinds(done, "a")[-1] == "end"
    assert rows(done, "t")[0] == (1, "ba")


@pytest.mark.own_server("only there it is a rule whom a deadlock strikes")
def test_a_late_statement_that_closes_a_cycle_of_waits_is_a_deadlock_and_its_victim(controller: Controller) -> None:
    late = worker("a", "BEGIN", UPDATE.format("a", 1), UPDATE.format("a", 2), "COMMIT")
    other = worker("b", "BEGIN", UPDATE.format("b", 2), UPDATE.format("b", 1), "COMMIT")
    done = execute(controller, "a.s0 a.s1 b.s0 b.s1 a.s2!black_hole b.s2", late, other)
    [deadlock] = [e for e in done.history.events if e.kind is EventKind.DEADLOCK]
    assert (deadlock.worker, deadlock.blockers) == ("a", ("a", "b"))
    assert ends(done, "b") == ["ok"] * 4
    assert rows(done, "t")[:2] == [(1, "b"), (2, "b")]


@pytest.mark.parametrize(
    ("steps", "said", "left"),
    [
        ("a.!heal a.s0 a.s1 a.s2", "there is no black hole; nothing was struck", "a"),
        ("a.s0 a.s1 a.!reset a.s2!lost_request", "its connection is lost already; nothing was struck", ""),
        ("a.s0 a.s1!black_hole a.!kill", "it has given up; nothing was struck", ""),
    ],
)
def test_what_finds_nothing_to_strike_says_so(controller: Controller, steps: str, said: str, left: str) -> None:
    done = execute(controller, steps, HOLDER)
    assert said in faults(done)
    assert rows(done, "t")[0] == (1, left)


def test_an_execution_given_up_with_an_open_black_hole_leaves_no_session(controller: Controller) -> None:
    with pytest.raises(DriverError, match="waits for a lock"):
        execute(controller, "a.s0 a.s1 a.s2!black_hole b.s0!lost_ack", HOLDER, WAITER)
    done = execute(controller, "b.s0", WAITER)
    assert rows(done, "t")[0] == (1, "b")


def test_what_is_lost_is_what_the_log_of_the_proxy_says(controller: Controller) -> None:
    """Read off events: the same turn, with the completion and without the entry, has struck nothing."""
    done = execute(controller, "a.s0 a.s1 a.s2!lost_request", HOLDER)
    assert fired(done, "a", Action.LOST_REQUEST, 2)
    assert not fired(done, "a", Action.LOST_REQUEST, 1)
    assert not fired(done, "a", Action.LOST_REQUEST, None)


@pytest.mark.own_server("it reaches its socket")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl")
def test_where_the_connection_is_encrypted_one_line_says_what_to_do(
    target: EmbeddedTarget, databases: Databases, tmp_path: Path
) -> None:
    name = databases.clone(databases.template([Script(name="tables", text=TABLES)]))
    with TlsFront(f"{target.folder}/.s.PGSQL.5432", tmp_path) as front, WorkerPool() as pool:
        made = Controller(pool, front.conninfo(target.conninfo(name)), owned=True)
        assert ends(execute(made, "b.s0", WAITER), "b") == ["ok"]
        with pytest.raises(UsageError, match=r"^faults of the wire need a connection without TLS: "):
            execute(made, "b.s0!lost_ack", WAITER)
        made.close()
        pool.disconnect()
    databases.drop(name)


def test_a_server_on_the_network_is_cut_off_just_so(target: EmbeddedTarget, databases: Databases) -> None:
    name = databases.clone(databases.template([Script(name="tables", text=TABLES)]))
    with Proxy(target.conninfo(name), tcp=True) as front, WorkerPool() as pool:
        made = Controller(pool, front.tcp_conninfo, owned=True)
        assert rows(execute(made, "a.s0 a.s1 a.s2!torn_request", HOLDER), "t")[0] == (1, "")
        assert rows(execute(made, "a.s0 a.s1 a.s2!lost_ack", HOLDER), "t")[0] == (1, "a")
        assert rows(execute(made, "a.s0 a.s1 a.s2!black_hole b.s0", HOLDER, WAITER), "t")[0] == (1, "ab")
        made.close()
        pool.disconnect()
    databases.drop(name)
