"""Sessions and their locks after each turn, on a real server: what is told, and that it is told alike in every
execution and changes none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plans import order, plan, words, worker
from races import FEW, MANY, append, holder, insert, locker

from harness.driver.controller import Controller
from harness.driver.names import Names
from harness.driver.plan import Plan
from harness.model import (
    Action,
    Choice,
    HeldLock,
    Moment,
    Order,
    OrderStep,
    SessionMoment,
    SessionState,
    Worker,
)
from harness.strategies.fixed import Fixed

ROW = HeldLock(kind="row", on="t (id 1)", mode="", granted=True)
AWAITED = HeldLock(kind="row", on="t (id 1)", mode="ExclusiveLock", granted=False)
WRITES = HeldLock(kind="table", on="t", mode="RowExclusiveLock", granted=True)
HOLDER, WAITER = holder(append("a", 1)), worker("b", append("b", 1))


def looked(controller: Controller, made: Plan, steps: Order) -> list[Moment]:
    """As far as ``steps`` go; then everybody comes to an end."""
    found: list[Moment] = []
    controller.execute(made, Fixed(steps), on_turn=found.append)
    assert [m.turn for m in found] == list(range(len(found)))
    return found[: len(steps.steps)]


def sessions(controller: Controller, steps: str, *workers: Worker) -> list[dict[str, SessionMoment]]:
    """By turn and worker."""
    found = looked(controller, plan(*workers), order(steps))
    return [{s.worker: s for s in m.sessions} for m in found]


def own(name: str) -> HeldLock:
    return HeldLock(kind="transaction", on=name, mode="ExclusiveLock", granted=True)


def test_who_waits_shows_what_for_and_for_whom(controller: Controller) -> None:
    begun, wrote, waits, done = sessions(controller, "a.s0 a.s1 b.s0 a.s2", HOLDER, WAITER)
    assert begun["a"] == SessionMoment(worker="a", state=SessionState.ACTIVE, at="s1")
    assert begun["b"] == SessionMoment(worker="b", state=SessionState.IDLE, at="s0")
    holds = SessionMoment(worker="a", state=SessionState.ACTIVE, at="s2", locks=(ROW, WRITES, own("a")))
    assert wrote["a"] == waits["a"] == holds
    assert waits["b"] == SessionMoment(
        worker="b", state=SessionState.WAITING, at="s0", waits_for=("a",), locks=(AWAITED, WRITES, own("b"))
    )
    assert [s.state for s in done.values()] == [SessionState.ENDED] * 2
    assert all(not (s.at or s.locks or s.waits_for) for s in done.values())


def test_those_behind_in_the_queue_wait_for_the_same_row(controller: Controller) -> None:
    third = worker("c", append("c", 1))
    *_, one, two, three = sessions(controller, "a.s0 a.s1 b.s0 c.s0 a.s2", HOLDER, WAITER, third)
    assert AWAITED not in one["c"].locks
    assert {n: (s.waits_for, AWAITED in s.locks) for n, s in two.items()} == {
        "a": ((), False), "b": (("a",), True), "c": (("b",), True),
    }  # fmt: skip
    assert [s.state for s in three.values()] == [SessionState.ENDED] * 3


def test_when_the_first_has_the_row_the_next_waits_for_its_transaction(controller: Controller) -> None:
    workers = [worker(n, "BEGIN", append(n, 1), "COMMIT") for n in "abc"]
    steps = "a.s0 a.s1 b.s0 b.s1 c.s0 c.s1 a.s2 b.s2 c.s2"
    *_, after_a, after_b, _ = sessions(controller, steps, *workers)
    assert (after_a["b"].state, after_a["c"].waits_for) == (SessionState.ACTIVE, ("b",))
    assert ROW in after_a["b"].locks
    # It has gone on to the row's new version, for which nobody queues.
    assert HeldLock(kind="transaction", on="b", mode="ShareLock", granted=False) in after_a["c"].locks
    assert ROW in after_b["c"].locks


def test_a_lock_for_update_shows_its_row_and_strength(controller: Controller) -> None:
    locks = "SELECT FROM t WHERE id = {} FOR UPDATE"
    first = worker("a", "BEGIN", locks.format(1), locks.format(3), "COMMIT")
    *_, found = sessions(controller, "a.s0 a.s1 a.s2 b.s0", first, worker("b", locks.format(1)))
    assert [lock for lock in found["a"].locks if lock.kind == "row"] == [
        HeldLock(kind="row", on=f"t (id {n})", mode="FOR UPDATE", granted=True) for n in (1, 3)
    ]
    table = HeldLock(kind="table", on="t", mode="RowShareLock", granted=True)
    assert table in found["a"].locks
    assert found["b"].locks == (replace(AWAITED, mode="AccessExclusiveLock"), table)


def test_a_row_that_several_share_shows_each(controller: Controller) -> None:
    shares = [worker(n, "BEGIN", "SELECT FROM t WHERE id = 1 FOR SHARE", "COMMIT") for n in "ac"]
    *_, found = sessions(controller, "a.s0 a.s1 c.s0 c.s1 b.s0", *shares, WAITER)
    shared = HeldLock(kind="row", on="t (id 1)", mode="FOR SHARE", granted=True)
    assert shared in found["a"].locks
    assert shared in found["c"].locks
    assert AWAITED in found["b"].locks


def test_a_unique_key_is_waited_for_as_its_owners_transaction(controller: Controller) -> None:
    *_, found = sessions(controller, "a.s0 a.s1 b.s0", holder(insert("a")), worker("b", insert("b")))
    awaited = HeldLock(kind="transaction", on="a", mode="ShareLock", granted=False)
    assert [lock for lock in found["b"].locks if not lock.granted] == [awaited]


def test_a_table_lock_is_told_and_holds_up_nobody_who_looks(controller: Controller) -> None:
    first = worker("a", "BEGIN", "LOCK TABLE t", "COMMIT")
    *_, found = sessions(controller, "a.s0 a.s1 b.s0", first, WAITER)
    assert HeldLock(kind="table", on="t", mode="AccessExclusiveLock", granted=True) in found["a"].locks
    assert found["b"].locks == (HeldLock(kind="table", on="t", mode="RowExclusiveLock", granted=False),)


@pytest.mark.parametrize(
    ("key", "shown"), [("42", "42"), ("-1", "-1"), ("7, -2", "7, -2"), ("1099511627776", "1099511627776")]
)
def test_an_advisory_lock_shows_its_key(controller: Controller, key: str, shown: str) -> None:
    takes = f"SELECT pg_advisory_xact_lock({key})"
    *_, found = sessions(controller, "a.s0 a.s1 b.s0", holder(takes), worker("b", takes))
    lock = HeldLock(kind="advisory", on=shown, mode="ExclusiveLock", granted=True)
    assert (found["a"].locks, found["b"].locks) == ((lock,), (replace(lock, granted=False),))


def test_keys_and_rows_that_fresh_ids_make_are_told_alike(controller: Controller) -> None:
    """Other ids in every execution, so other keys: they go by their numbers, and rows by the names of ids."""
    told = []
    for number in (3, 4):
        names = Names(("alice",), ("j1",), number)
        takes = [f"SELECT pg_advisory_xact_lock(hashtext('{names.jobs[j]}'))" for j in ("j1",)]
        setup = f"""
        TRUNCATE t, u; DROP TABLE IF EXISTS made, owned; CREATE TABLE owned (owner uuid PRIMARY KEY);
        INSERT INTO owned VALUES ('{names.users["alice"]}'); CREATE TABLE made (id uuid PRIMARY KEY);
        INSERT INTO made SELECT gen_random_uuid()
        """
        writes = [f"UPDATE {table} SET {column} = {column}" for table, column in (("owned", "owner"), ("made", "id"))]
        first = worker("a", "BEGIN", *takes, "SELECT pg_advisory_xact_lock(9)", *writes, "COMMIT")
        made = replace(plan(first, setup=setup), names=names)
        told.append(looked(controller, made, order("a.s0 a.s1 a.s2 a.s3 a.s4")))
    assert told[0] == told[1]
    *_, last = told[0]
    shown = [(lock.kind, lock.on) for lock in last.sessions[0].locks if lock.kind in ("advisory", "row")]
    assert shown == [("advisory", "#1"), ("advisory", "#2"), ("row", "made"), ("row", "owned (owner alice)")]


def test_who_was_killed_is_gone(controller: Controller) -> None:
    *_, waits, gone = sessions(controller, "a.s0 a.s1 b.s0 a.kill", HOLDER, WAITER)
    assert waits["a"].state is SessionState.ACTIVE
    assert gone["a"] == SessionMoment(worker="a", state=SessionState.GONE)
    assert gone["b"].state is SessionState.ENDED


def test_the_session_of_who_was_killed_in_a_wait_waits_on(controller: Controller) -> None:
    *_, gone, after = sessions(controller, "a.s0 a.s1 b.s0 b.kill a.s2", HOLDER, WAITER)
    assert (gone["b"].state, gone["b"].waits_for) == (SessionState.GONE, ("a",))
    assert AWAITED in gone["b"].locks
    assert after["b"] == SessionMoment(worker="b", state=SessionState.GONE)


@pytest.mark.parametrize("fault", [Action.BACKEND, Action.RESET, Action.IDLE])
def test_who_has_lost_its_session_is_gone_before_it_knows(controller: Controller, fault: Action) -> None:
    steps = [OrderStep(choice=Choice(worker="a", step=s)) for s in ("s0", "s1")]
    struck = Order(steps=(*steps, OrderStep(choice=Choice(worker="a", action=fault))))
    *_, before, after = looked(controller, plan(HOLDER), struck)
    assert before.sessions[0].state is SessionState.ACTIVE
    assert (after.sessions[0].state, after.sessions[0].locks) == (SessionState.GONE, ())


@pytest.mark.own_server("only there it is a rule whom a deadlock strikes")
def test_a_deadlock_leaves_the_victim_without_locks(controller: Controller) -> None:
    steps = "a.s0 b.s0 a.s1 b.s1 a.s2 b.s2"
    *_, waits, over = sessions(controller, steps, locker("a", 1, 2), locker("b", 2, 1))
    assert (waits["a"].state, waits["a"].waits_for, waits["a"].at) == (SessionState.WAITING, ("b",), "s2")
    assert (over["b"].state, over["b"].locks) == (SessionState.ENDED, ())
    assert over["a"].state is SessionState.ACTIVE


def test_locks_that_only_serializable_knows_are_no_locks(controller: Controller) -> None:
    level = "BEGIN ISOLATION LEVEL SERIALIZABLE"
    both = [worker(n, level, "SELECT * FROM t", append(n, 1), "COMMIT") for n in "ab"]
    *_, found = sessions(controller, "a.s0 a.s1 b.s0 b.s1 a.s2 b.s2", *both)
    assert {lock.mode for s in found.values() for lock in s.locks} == {
        "", "AccessShareLock", "RowExclusiveLock", "ExclusiveLock",
    }  # fmt: skip


@pytest.mark.own_server("only there it is a rule whom a deadlock strikes")
@pytest.mark.parametrize("case", [*MANY, *FEW])
def test_looking_changes_nothing_and_sees_the_same_every_time(controller: Controller, case: str) -> None:
    workers, steps, _ = {**MANY, **FEW}[case]
    unseen = controller.execute(plan(*workers), Fixed(steps))
    told, seen = [], []
    for number in (1, 2, 3):
        found: list[Moment] = []
        seen.append(controller.execute(plan(*workers, number=number), Fixed(steps), on_turn=found.append))
        told.append(found)
    assert [words(e) for e in seen] == [words(unseen)] * 3
    assert [e.schedule for e in seen] == [unseen.schedule] * 3
    assert told[0] == told[1] == told[2]
