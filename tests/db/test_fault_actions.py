"""Each fault on a real server: what it does to the statement in hand, the session and what others wait for."""

from __future__ import annotations

import pytest
from plans import kinds, plan, rows, worker

from harness.driver.controller import Controller
from harness.model import (
    Action,
    Choice,
    Event,
    EventKind,
    Execution,
    Order,
    OrderStep,
    Worker,
)
from harness.strategies.fixed import Fixed
from harness.strategies.replay import Replay

UPDATE = "UPDATE t SET v = v || '{}' WHERE id = 1"
HOLDER = worker("a", "BEGIN", UPDATE.format("a"), "COMMIT")
WAITER = worker("b", UPDATE.format("b"))
FAULTS = {
    "cancel": Action.CANCEL,
    "terminate": Action.BACKEND,
    "reset": Action.RESET,
    "run_on": Action.RUN_ON,
    "idle_timeout": Action.IDLE,
}


def execute(controller: Controller, steps: str, *workers: Worker) -> Execution:
    """Also checks that the same choices lead to the same events again."""
    taken = []
    for word in steps.split():
        name, _, step = word.partition(".")
        fault = FAULTS.get(step.removeprefix("!")) if step.startswith("!") else None
        taken.append(OrderStep(choice=Choice(worker=name, action=fault) if fault else Choice(worker=name, step=step)))
    done = controller.execute(plan(*workers), Fixed(Order(steps=tuple(taken))))
    replay = Replay(done.schedule, exact=True)
    replay.start()
    again = controller.execute(plan(*workers), replay)
    assert [shape(e) for e in again.history.events] == [shape(e) for e in done.history.events]
    assert again.history.closing == done.history.closing
    assert done.history.liveness.locks == ()
    return done


def shape(event: Event) -> tuple[object, ...]:
    return event.kind, event.turn, event.worker, event.step, event.sqlstate, event.message, event.answer


def ends(execution: Execution, name: str) -> list[tuple[str, str | None]]:
    completions = (EventKind.OK, EventKind.FAIL, EventKind.INFO)
    return [(e.kind.value, e.sqlstate) for e in execution.history.events if e.worker == name and e.kind in completions]


def test_a_cancelled_wait_fails_with_57014(controller: Controller) -> None:
    done = execute(controller, "a.s0 a.s1 b.s0 b.!cancel a.s2", HOLDER, WAITER)
    assert ends(done, "b") == [("fail", "57014")]
    assert kinds(done, "b") == ["invoke", "blocked", "fault", "fail"]
    assert rows(done, "t")[0] == (1, "a")


def test_there_is_nothing_to_cancel_between_statements(controller: Controller) -> None:
    done = execute(controller, "a.s0 a.!cancel a.s1 a.s2", HOLDER)
    [fault] = [e for e in done.history.events if e.kind is EventKind.FAULT]
    assert fault.message == "pg_cancel_backend: no statement is under way; nothing was struck"
    assert rows(done, "t")[0] == (1, "a")


@pytest.mark.parametrize("fault", ["terminate", "reset", "idle_timeout"])
def test_a_connection_lost_in_a_transaction_is_noticed_at_the_next_statement(
    controller: Controller, fault: str
) -> None:
    done = execute(controller, f"a.s0 a.s1 a.!{fault} b.s0 a.s2", HOLDER, WAITER)
    assert [kind for kind, _ in ends(done, "a")] == ["ok", "ok", "info"]  # whether COMMIT took effect it cannot know
    [lost] = [e for e in done.history.events if e.worker == "a" and e.kind is EventKind.INFO]
    assert str(lost.message).startswith("connection lost")
    assert rows(done, "t")[0] == (1, "b")


@pytest.mark.parametrize("fault", ["terminate", "reset", "idle_timeout"])
def test_a_connection_lost_lets_go_of_what_others_wait_for(controller: Controller, fault: str) -> None:
    done = execute(controller, f"a.s0 a.s1 b.s0 a.!{fault} a.s2", HOLDER, WAITER)
    assert ends(done, "b") == [("ok", None)]
    assert rows(done, "t")[0] == (1, "b")


def test_a_terminated_wait_is_a_lost_connection_with_its_reason(controller: Controller) -> None:
    done = execute(controller, "a.s0 a.s1 b.s0 b.!terminate a.s2", HOLDER, WAITER)
    assert ends(done, "b") == [("info", "57P01")]
    assert rows(done, "t")[0] == (1, "a")


def test_a_server_that_waits_does_not_notice_that_its_client_is_cut_off(controller: Controller) -> None:
    done = execute(controller, "a.s0 a.s1 b.s0 b.!reset a.s2", HOLDER, WAITER)
    assert ends(done, "b") == [("info", None)]
    assert rows(done, "t")[0] == (1, "ab")  # it ran on once it was set free


def test_a_worker_that_was_cut_off_begins_the_next_execution_with_a_new_session(controller: Controller) -> None:
    for fault in ("reset", "terminate"):
        done = execute(controller, f"b.!{fault}", WAITER)
        assert [kind for kind, _ in ends(done, "b")] == ["info"]
        assert ends(execute(controller, "b.s0", WAITER), "b") == [("ok", None)]


def test_the_timeout_is_the_servers_own(controller: Controller) -> None:
    done = execute(controller, "a.s0 a.s1 a.!idle_timeout a.s2", HOLDER)
    assert ends(done, "a")[-1] == ("info", "25P03")
    assert rows(done, "t")[0] == (1, "")


def test_outside_a_transaction_nobody_is_idle_in_one(controller: Controller) -> None:
    done = execute(controller, "a.!idle_timeout a.s0 a.s1 a.s2", HOLDER)
    assert kinds(done, "a")[0] == "fault"
    assert rows(done, "t")[0] == (1, "a")


def test_between_statements_nothing_runs_on(controller: Controller) -> None:
    done = execute(controller, "a.s0 a.!run_on a.s1 a.s2", HOLDER)
    assert "fault" in kinds(done, "a")
    assert rows(done, "t")[0] == (1, "a")
