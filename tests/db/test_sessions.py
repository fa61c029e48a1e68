"""What may happen to a worker's session, and that none of it reaches into the next execution."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from plans import FRESH, TABLES, kinds, order, plan, rows, worker

from harness.driver.controller import Controller
from harness.driver.pool import WorkerPool
from harness.errors import NondeterminismError, UserSqlError
from harness.model import Choice, Effect, EventKind, Execution, Script, Statement, Worker
from harness.strategies.fixed import Fixed
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

UPDATE = "UPDATE t SET v = v || '{}' WHERE id = 1"
HOLDER = worker("a", "BEGIN", UPDATE.format("a"), "COMMIT")
WAITER = worker("b", UPDATE.format("b"))


@pytest.fixture(scope="module")
def database(target: EmbeddedTarget, databases: Databases) -> Iterator[str]:
    name = databases.clone(databases.template([Script(name="tables", text=TABLES)]))
    yield target.conninfo(name)
    databases.drop(name)


@pytest.fixture(scope="module")
def controller(database: str) -> Iterator[Controller]:
    with WorkerPool() as pool:
        made = Controller(pool, database, owned=True)
        yield made
        made.close()


def execute(controller: Controller, steps: str, *workers: Worker) -> Execution:
    return controller.execute(plan(*workers), Fixed(order(steps)))


def answers(execution: Execution) -> list[object]:
    return [next(iter(row.values())) for e in execution.history.events if e.answer for row in e.answer]


def unharmed(controller: Controller) -> bool:
    """Whether the next execution has nothing to do with the last."""
    done = execute(controller, "a.s0 a.s1 b.s0 a.s2", HOLDER, WAITER)
    left = done.history.liveness
    return rows(done, "t")[0] == (1, "ab") and not (left.locks or left.waiting or left.idle_in_transaction)


def test_a_wait_may_end_by_the_waiters_own_timeout(controller: Controller) -> None:
    hasty = worker("b", "BEGIN", "SET LOCAL lock_timeout = '20ms'", UPDATE.format("b"), "COMMIT")
    slow = worker("a", "BEGIN", UPDATE.format("a"), "SELECT pg_sleep(0.3)", "COMMIT")
    done = execute(controller, "a.s0 a.s1 b.s0 b.s1 b.s2 a.s2 a.s3", slow, hasty)
    assert kinds(done, "b")[4:] == ["invoke", "blocked", "woken", "fail", "end"]
    assert [e.sqlstate for e in done.history.events if e.kind is EventKind.FAIL] == ["55P03"]
    assert rows(done, "t")[0] == (1, "a")


def test_a_wait_ends_when_the_holder_rolls_back(controller: Controller) -> None:
    holder = worker("a", "BEGIN", UPDATE.format("a"), "ROLLBACK")
    done = execute(controller, "a.s0 a.s1 b.s0 a.s2", holder, WAITER)
    assert kinds(done, "b") == ["invoke", "blocked", "woken", "ok"]
    assert rows(done, "t")[0] == (1, "b")


def test_one_killed_in_a_transaction_while_it_waits_cannot_take_effect(controller: Controller) -> None:
    waiter = worker("b", "BEGIN", UPDATE.format("b"), "COMMIT")
    done = execute(controller, "a.s0 a.s1 b.s0 b.s1 b.kill a.s2", HOLDER, waiter)
    assert kinds(done, "b")[2:] == ["invoke", "blocked", "crash", "fail", "end"]
    assert rows(done, "t")[0] == (1, "a")


def test_the_backend_of_a_killed_worker_that_waits_for_ever_is_ended(controller: Controller) -> None:
    stuck = worker("a", "BEGIN", UPDATE.format("a"))
    done = execute(controller, "a.s0 a.s1 b.s0 b.kill", stuck, WAITER)
    assert {row["worker"] for row in done.history.liveness.locks} == {"a", "b"}
    assert rows(done, "t")[0] == (1, "")
    assert unharmed(controller)


def test_an_idle_session_that_another_worker_ends_fails_with_its_next_statement(controller: Controller) -> None:
    end_b = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE query LIKE '%me me%' AND state = 'idle'"
    victim = worker("b", "SELECT 'me ' || 'me' -- me me", UPDATE.format("b"), keep_going=True)
    done = execute(controller, "b.s0 a.s0 b.s1", worker("a", end_b), victim)
    [lost] = [e for e in done.history.events if e.kind is EventKind.INFO]
    assert (lost.worker, lost.step, lost.sqlstate) == ("b", "s1", "57P01")
    assert rows(done, "t")[0] == (1, "")
    assert unharmed(controller)


def test_a_session_that_was_ended_after_its_last_statement_is_made_again(controller: Controller) -> None:
    everybody = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE '%worker'"
    execute(controller, "", WAITER, HOLDER)
    controller.observer.connection.execute(everybody)
    assert unharmed(controller)


def test_losing_the_connection_in_a_transaction_is_a_failure(controller: Controller) -> None:
    suicide = worker("a", "BEGIN", UPDATE.format("a"), "SELECT pg_terminate_backend(pg_backend_pid())", "COMMIT")
    done = execute(controller, "", suicide)
    assert kinds(done, "a")[-1] == "fail"
    assert rows(done, "t")[0] == (1, "")
    assert not done.history.liveness.idle_in_transaction


def test_a_session_lock_is_reported_and_let_go(controller: Controller) -> None:
    done = execute(controller, "", worker("a", "SELECT pg_advisory_lock(7)"), worker("b", "SELECT 1"))
    assert [row["worker"] for row in done.history.liveness.locks] == ["a"]
    again = execute(controller, "", worker("x", "SELECT 1"), worker("y", "SELECT pg_try_advisory_lock(7)"))
    assert answers(again)[1] is True


def test_a_session_is_wiped_for_whoever_plays_in_it_next(controller: Controller) -> None:
    leave = Statement(name="leave", sql="SET application_name = 'left'", session_state=True)
    execute(controller, "", Worker(name="a", statements=(leave,)))
    assert answers(execute(controller, "", worker("z", "SHOW application_name"))) == ["refund-harness worker"]


def test_copy_does_not_hang_a_worker(controller: Controller) -> None:
    out = worker("a", "COPY t TO STDOUT", "COPY t FROM STDIN", "SELECT 5 AS x", keep_going=True)
    done = execute(controller, "", out)
    assert kinds(done, "a") == ["invoke", "ok", "invoke", "fail", "invoke", "ok"]
    assert answers(done) == [5]


def test_big_statements_notices_and_void(controller: Controller, capfd: pytest.CaptureFixture[str]) -> None:
    big = f"SELECT length('{'ї' * 3_000_000}') AS n"
    loud = "DO $$ BEGIN RAISE WARNING 'heard'; END $$"
    done = execute(controller, "", worker("a", big, loud, "SELECT pg_sleep(0)", "SELECT WHERE false"))
    assert [e.answer for e in done.history.events if e.kind is EventKind.OK] == [
        ({"n": 3_000_000},), (), ({"pg_sleep": ""},), (),
    ]  # fmt: skip
    assert capfd.readouterr().err == ""


def test_text_travels_in_utf8_whatever_the_environment_says(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with WorkerPool() as pool:
        controller = Controller(pool, database, owned=True)
        done = execute(controller, "", worker("a", "UPDATE t SET v = 'Київ' WHERE id = 1 RETURNING v"))
        controller.close()
    assert answers(done) == ["Київ"]
    assert rows(done, "t")[0] == (1, "Київ")


def test_an_unknown_role_is_the_persons_to_mend(controller: Controller) -> None:
    with pytest.raises(UserSqlError, match='worker a: role "no"body" does not exist'):
        execute(controller, "", worker("a", "SELECT 1", role='no"body'), worker("b", "SELECT 1"))
    assert unharmed(controller)


def test_a_set_up_that_opens_a_transaction_is_refused(controller: Controller) -> None:
    with pytest.raises(UserSqlError, match="never ends it"):
        controller.execute(plan(WAITER, setup=f"BEGIN; {FRESH}"), Fixed(order("")))
    with pytest.raises(UserSqlError, match="division by zero"):
        controller.execute(plan(WAITER, setup="BEGIN; SELECT 1 / 0"), Fixed(order("")))
    assert unharmed(controller)


class _GivesUp:
    """Takes two workers into a lock wait and then finds something wrong."""

    name = "gives_up"
    exhausted = False

    def __init__(self) -> None:
        self._choices = [step.choice for step in order("a.s0 a.s1 b.s0 c.s0").steps]

    def start(self) -> bool:
        return True

    def observe(self, effect: Effect) -> None:
        pass

    def ahead(self) -> int:
        return 0

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        if not self._choices:
            raise NondeterminismError(f"{len(enabled)} enabled")
        return self._choices.pop(0)


def test_an_execution_given_up_in_the_middle_leaves_nothing(controller: Controller) -> None:
    with pytest.raises(NondeterminismError, match="1 enabled"):
        controller.execute(plan(HOLDER, WAITER, worker("c", UPDATE.format("c"))), _GivesUp())
    assert unharmed(controller)
