"""What a strategy promises of its next turns, it keeps; a statement goes along only when it is certain to follow."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.driver.along import along
from harness.driver.client import Client
from harness.driver.names import Names
from harness.driver.observer import Reading
from harness.driver.plan import Plan, Points
from harness.driver.pool import WorkerProcess
from harness.model import Choice, Footprint, Order, OrderStep, Statement, StatementKind, Worker
from harness.strategies.fixed import Fixed
from harness.strategies.protocol import TO_THE_END, Strategy
from harness.strategies.random_walk import RandomWalk
from harness.strategies.registry import make

COMMIT = Statement(name="commit", sql="COMMIT", kind=StatementKind.COMMIT)
BEGIN = Statement(name="begin", sql="BEGIN", kind=StatementKind.BEGIN)
CALL = Statement(name="call", sql="SELECT f()")


def played(strategy: Strategy, lengths: list[int]) -> tuple[list[str], int]:
    """Who took each turn of workers that never wait, and how many of those were promised. Fails for a broken one."""
    if not strategy.start():
        return [], 0
    left = {f"w{i}": length for i, length in enumerate(lengths)}
    order: list[str] = []
    promised = kept = 0
    while enabled := tuple(Choice(worker=w, step=str(n)) for w, n in left.items() if n):
        choice = strategy.choose(enabled)
        assert choice is not None
        promised *= any(c.worker == order[-1] for c in enabled) if order else 0  # as long as it can act
        if promised:
            assert choice.worker == order[-1]
            kept += 1
        order.append(choice.worker)
        left[choice.worker] -= 1
        promised = max(promised - 1, strategy.ahead(), 0)
    return order, kept


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4), seed=st.integers(0, 99))
@pytest.mark.parametrize("name", ["random_walk", "pct", "preemption_bounded"])
def test_promises_are_kept(name: str, lengths: list[int], seed: int) -> None:
    strategy = make(name, seed=seed, limit=50, workers=[f"w{i}" for i in range(len(lengths))])
    for _ in range(3):
        played(strategy, lengths)


def test_a_random_walk_promises_about_half_of_the_turns_of_two_workers() -> None:
    walk = RandomWalk(0)
    runs = [played(walk, [9, 9]) for _ in range(40)]
    assert 0.4 < sum(kept for _, kept in runs) / sum(len(order) for order, _ in runs) < 0.7


def test_looking_ahead_changes_no_draw_of_a_random_walk() -> None:
    """As the library draws with weights: the same numbers, one a turn."""
    walk, most = RandomWalk(3), Counter[str]()
    for execution in range(20):
        order, _ = played(walk, [5, 8, 2])
        drawn = random.Random(f"random_walk 3 {execution}")
        left, taken, expected = {"w0": 5, "w1": 8, "w2": 2}, Counter[str](), []
        while able := [w for w, n in left.items() if n]:
            [worker] = drawn.choices(able, weights=[max(most[w] - taken[w], 1) if most else 1 for w in able])
            expected.append(worker)
            left[worker] -= 1
            taken[worker] += 1
        most |= taken
        assert order == expected


def test_an_order_promises_only_when_it_was_checked() -> None:
    steps = [("a", "1"), ("a", "2"), ("b", "1"), ("a", "3")]
    order = Order(steps=tuple(OrderStep(choice=Choice(worker=w, step=s)) for w, s in steps))
    for checked, promised in ((True, [1, 0, 0, 0]), (False, [0, 0, 0, 0])):
        strategy = Fixed(order, checked=checked)
        found = []
        for worker, step in steps:
            assert strategy.choose((Choice(worker=worker, step=step),)) is not None
            found.append(strategy.ahead())
        assert found == promised


def following(*statements: Statement, ahead: int, held: bool, commit: Footprint | None = None) -> list[str]:
    worker = Worker(name="w", statements=statements)
    points = Points(sites={}, entry=lambda _, __: Footprint(), commit=commit or Footprint()) if held else None
    plan = Plan(number=0, names=Names((), (), 0), workers=(worker,), setup=(), state=Reading.of({}, []), points=points)
    return along(Client(worker=worker, process=WorkerProcess.__new__(WorkerProcess), backend=0), plan, ahead)


def test_everything_up_to_the_end_of_the_transaction_goes_along() -> None:
    assert following(BEGIN, CALL, COMMIT, CALL, ahead=TO_THE_END, held=True) == ["SELECT f()", "COMMIT"]


def test_a_function_that_is_held_may_take_any_number_of_turns() -> None:
    assert following(BEGIN, CALL, COMMIT, ahead=2, held=True) == ["SELECT f()"]
    assert following(BEGIN, CALL, COMMIT, ahead=2, held=False) == ["SELECT f()", "COMMIT"]
    assert following(BEGIN, CALL, COMMIT, ahead=1, held=False) == ["SELECT f()"]


def test_a_commit_with_deferred_work_comes_when_it_is_chosen() -> None:
    deferred = Footprint(writes=frozenset({"t"}))
    assert following(BEGIN, CALL, COMMIT, ahead=TO_THE_END, held=True, commit=deferred) == ["SELECT f()"]


def test_nothing_goes_along_with_what_may_end_its_transaction_or_its_worker() -> None:
    assert following(CALL, CALL, ahead=TO_THE_END, held=True) == []
    looks = Statement(name="look", sql="SELECT true AS todo", opens=True, continue_if={"todo": True})
    assert following(looks, COMMIT, ahead=TO_THE_END, held=True) == []
    again = Statement(name="again", sql="SELECT f()", attempt=2)
    assert following(BEGIN, again, ahead=TO_THE_END, held=True) == []
