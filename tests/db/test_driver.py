"""What the driver does with waits, deaths, signals and answers, on a real server with real processes."""

from __future__ import annotations

import pytest
from plans import kinds, order, plan, rows, words, worker

from harness.driver.controller import Controller
from harness.driver.pool import WorkerPool
from harness.errors import DriverError, UserSqlError
from harness.model import EventKind, Execution, OnSigterm, Statement, Worker
from harness.strategies.fixed import Fixed
from harness.strategies.random_walk import RandomWalk

UPDATE = "UPDATE t SET v = v || '{}' WHERE id = 1"
HOLDER = worker("a", "BEGIN", UPDATE.format("a"), "COMMIT")
WAITER = worker("b", UPDATE.format("b"))


def execute(controller: Controller, steps: str, *workers: Worker) -> Execution:
    return controller.execute(plan(*workers), Fixed(order(steps)))


def test_a_blocked_worker_is_seen_and_wakes_at_commit(controller: Controller) -> None:
    done = execute(controller, "a.s0 a.s1 b.s0 a.s2", HOLDER, WAITER)
    assert kinds(done, "b") == ["invoke", "blocked", "woken", "ok"]
    assert [d.blocked for d in done.schedule.decisions] == [False, False, True, False]
    assert rows(done, "t")[0] == (1, "ab")


def test_a_blocked_worker_is_never_offered(controller: Controller) -> None:
    two = worker("b", UPDATE.format("b"), UPDATE.format("c"))
    for seed in range(5):
        strategy = RandomWalk(seed)
        strategy.start()
        done = controller.execute(plan(HOLDER, two), strategy)
        waiting: set[str] = set()
        for decision in done.schedule.decisions:
            assert not waiting & {c.worker for c in decision.enabled}
            waiting = (
                {decision.choice.worker} if decision.blocked else waiting if decision.choice.step != "s2" else set()
            )


def test_a_kill_rolls_back_and_wakes_the_waiter(controller: Controller) -> None:
    done = execute(controller, "a.s0 a.s1 b.s0 a.kill", HOLDER, WAITER)
    assert kinds(done, "a")[-1] == "crash"
    assert kinds(done, "b") == ["invoke", "blocked", "woken", "ok"]
    assert rows(done, "t")[0] == (1, "b")


def test_a_worker_killed_while_it_waits_may_take_effect_later(controller: Controller) -> None:
    done = execute(controller, "a.s0 a.s1 b.s0 b.kill a.s2", HOLDER, WAITER)
    assert kinds(done, "b") == ["invoke", "blocked", "crash", "info", "end"]
    assert rows(done, "t")[0] == (1, "ab")  # the backend noticed nothing and went on


def test_a_lost_answer_is_an_unknown_outcome_that_took_effect(controller: Controller) -> None:
    done = execute(controller, "a.s0 a.s1 a.s2!", HOLDER, WAITER)
    assert kinds(done, "a")[-2:] == ["info", "crash"]
    assert rows(done, "t")[0] == (1, "ab")


def test_sigterm_ends_a_worker_that_exits(controller: Controller) -> None:
    done = execute(controller, "a.s0 a.s1 a.term", HOLDER, WAITER)
    assert kinds(done, "a")[-2:] == ["sigterm", "crash"]
    assert rows(done, "t")[0] == (1, "b")


def test_sigterm_lets_a_worker_finish_that_wants_to(controller: Controller) -> None:
    finisher = worker("a", "BEGIN", UPDATE.format("a"), "COMMIT", on_sigterm=OnSigterm.FINISH)
    done = execute(controller, "a.s0 a.term a.s1 a.s2", finisher, WAITER)
    assert "sigterm" in kinds(done, "a")
    assert rows(done, "t")[0] == (1, "ab")


def test_processes_are_kept_and_replaced_only_after_a_crash(controller: Controller, pool: WorkerPool) -> None:
    execute(controller, "a.s0", HOLDER, WAITER)
    before = [w.pid for w in pool.take(2)]
    execute(controller, "a.s0", HOLDER, WAITER)
    assert [w.pid for w in pool.take(2)] == before
    assert len(set(before)) == 2
    execute(controller, "a.s0 a.kill", HOLDER, WAITER)
    after = [w.pid for w in pool.take(2)]
    assert before[1] in after
    assert before[0] not in after


def test_an_error_ends_the_worker_and_its_transaction(controller: Controller) -> None:
    failing = worker("a", "BEGIN", UPDATE.format("a"), "SELECT 1 / 0", "COMMIT")
    done = execute(controller, "", failing, WAITER)
    assert kinds(done, "a")[-2:] == ["fail", "end"]
    assert rows(done, "t")[0] == (1, "b")
    assert not done.history.liveness.idle_in_transaction


def test_keep_going_sends_the_rest_and_a_failed_commit_is_a_failure(controller: Controller) -> None:
    stubborn = worker("a", "BEGIN", UPDATE.format("a"), "SELECT 1 / 0", "COMMIT", keep_going=True)
    done = execute(controller, "", stubborn)
    last = [e for e in done.history.events if e.worker == "a"][-1]
    assert (last.kind, last.message) == (EventKind.FAIL, "COMMIT of a failed transaction: rolled back")
    assert rows(done, "t")[0] == (1, "")


@pytest.mark.own_server("only there it is a rule whom a deadlock strikes")
def test_a_deadlock_is_an_event_with_its_members(controller: Controller) -> None:
    one = worker("a", "BEGIN", "UPDATE t SET v = 'a' WHERE id = 1", "UPDATE t SET v = 'a' WHERE id = 2", "COMMIT")
    two = worker("b", "BEGIN", "UPDATE t SET v = 'b' WHERE id = 2", "UPDATE t SET v = 'b' WHERE id = 1", "COMMIT")
    done = execute(controller, "a.s0 b.s0 a.s1 b.s1 a.s2 b.s2", one, two)
    [found] = [e for e in done.history.events if e.kind is EventKind.DEADLOCK]
    assert (found.worker, found.blockers) == ("b", ("b", "a"))
    [failure] = [e for e in done.history.events if e.kind is EventKind.FAIL]
    assert (failure.worker, failure.sqlstate) == ("b", "40P01")


def test_what_is_left_at_the_end_is_reported_and_then_cleaned_up(controller: Controller) -> None:
    done = execute(controller, "a.s0 a.s1 b.s0", worker("a", "BEGIN", UPDATE.format("a")), WAITER)
    left = done.history.liveness
    assert left.waiting == ("b",)
    assert left.idle_in_transaction == ("a",)
    assert {row["worker"] for row in left.locks} == {"a", "b"}
    again = execute(controller, "a.s0 a.s1 b.s0 a.s2", HOLDER, WAITER)
    assert rows(again, "t")[0] == (1, "ab")
    assert again.history.liveness.locks == ()


def test_the_clients_own_if_ends_it(controller: Controller) -> None:
    look = Statement(name="look", sql="SELECT v FROM t WHERE id = 1", continue_if={"v": "go"})
    careful = Worker(name="a", statements=(look, Statement(name="act", sql=UPDATE.format("a"))))
    done = execute(controller, "", careful)
    assert kinds(done, "a") == ["invoke", "ok", "end"]
    assert rows(done, "t")[0] == (1, "")


@pytest.mark.own_server("it makes roles")
def test_a_role_is_set_and_reset(controller: Controller) -> None:
    controller.observer.run(
        "DO $$ BEGIN CREATE ROLE role_of_a; EXCEPTION WHEN duplicate_object THEN NULL; END $$", "role"
    )
    done = execute(
        controller,
        "",
        worker("a", "SELECT current_user AS who", role="role_of_a"),
        worker("b", "SELECT current_user AS who"),
    )
    assert [e.answer[0]["who"] for e in done.history.events if e.answer] == ["role_of_a", "postgres"]
    done = execute(controller, "", worker("a", "SELECT current_user AS who"))
    assert [e.answer[0]["who"] for e in done.history.events if e.answer] == ["postgres"]


def test_what_a_statement_leaves_in_its_session_is_wiped(controller: Controller) -> None:
    leave = Statement(name="leave", sql="SET search_path = pg_catalog", session_state=True)
    execute(controller, "", Worker(name="a", statements=(leave,)))
    look = Statement(name="look", sql="SHOW search_path", session_state=True)
    done = execute(controller, "", Worker(name="a", statements=(look,)))
    assert [e.answer[0]["search_path"] for e in done.history.events if e.answer] == ['"$user", public']


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT NULL AS x", None),
        ("SELECT 7 AS x", 7),
        ("SELECT true AS x", True),
        ("SELECT 1.5::float8 AS x", 1.5),
        ("SELECT 1.50::numeric AS x", "1.50"),
        ("SELECT '{\"a\": [1, null]}'::jsonb AS x", {"a": [1, None]}),
        ("SELECT 'Київ ✓' AS x", "Київ ✓"),
        ("SELECT repeat('x', 1000000) AS x", "x" * 1_000_000),
        ("SELECT pg_sleep(0.03) IS NULL AS x", False),
    ],
)
def test_answers_come_as_json(controller: Controller, sql: str, value: object) -> None:
    done = execute(controller, "", worker("a", sql))
    [answer] = [e.answer for e in done.history.events if e.kind is EventKind.OK]
    assert answer == ({"x": value},)


def test_columns_of_the_same_name_are_kept_apart(controller: Controller) -> None:
    done = execute(controller, "", worker("a", "SELECT 1 AS x, 2 AS x"))
    assert [e.answer for e in done.history.events if e.answer] == [({"x": 1, "x_2": 2},)]


def test_a_terminated_connection_is_an_unknown_outcome_outside_a_transaction(controller: Controller) -> None:
    done = execute(controller, "", worker("a", "SELECT pg_terminate_backend(pg_backend_pid())"))
    assert kinds(done, "a") in (["invoke", "info"], ["invoke", "fail", "end"], ["invoke", "fail"])
    assert rows(execute(controller, "", WAITER), "t")[0] == (1, "b")


def test_a_serialization_failure_is_a_plain_failure(controller: Controller) -> None:
    one, two = (
        worker(n, "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT * FROM t", UPDATE.format(n), "COMMIT") for n in "ab"
    )
    done = execute(controller, "a.s0 b.s0 a.s1 b.s1 a.s2 a.s3 b.s2", one, two)
    assert [e.sqlstate for e in done.history.events if e.kind is EventKind.FAIL] == ["40001"]


def test_a_set_up_that_fails_names_itself(controller: Controller) -> None:
    with pytest.raises(UserSqlError, match=r'setup: relation "nope" does not exist'):
        controller.execute(plan(WAITER, setup="SELECT * FROM nope"), Fixed(order("")))


def test_losing_the_answer_of_a_statement_that_waits_is_refused(controller: Controller) -> None:
    with pytest.raises(DriverError, match="waits for a lock"):
        execute(controller, "a.s0 a.s1 b.s0!", HOLDER, WAITER)


def test_the_history_is_in_order_and_complete(controller: Controller) -> None:
    done = execute(controller, "a.s0 b.s0 a.s1 a.s2", HOLDER, WAITER)
    assert words(done)[:4] == ["T0 invoke a s0", "T0 ok a s0", "T1 invoke b s0", "T1 ok b s0"]
    turns = [e.turn for e in done.history.events]
    assert turns == sorted(turns)
