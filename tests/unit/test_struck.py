"""Where a drawn fault strikes on top of another strategy's choices, and what is promised of the way there."""

from __future__ import annotations

import pytest

from harness.model import Action, Choice, Effect
from harness.strategies.once import Once
from harness.strategies.struck import Struck

STEPS = {"a": ("x", "y", "z"), "b": ("x",)}


class InTurn(Once):
    """Takes the workers as ``order`` says, and promises what it is told to."""

    name = "in turn"

    def __init__(self, order: str, promises: int = 0) -> None:
        super().__init__()
        self.order, self.promises = list(order), promises
        self.observed: list[Effect] = []

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        worker = self.order.pop(0) if self.order else ""
        return next((c for c in enabled if c.worker == worker), None)

    def ahead(self) -> int:
        return self.promises

    def observe(self, effect: Effect) -> None:
        self.observed.append(effect)


def run(strategy: Struck) -> list[str]:
    """The choices, where every worker goes through its steps and a crashed one takes no more."""
    assert strategy.start()
    at = dict.fromkeys(STEPS, 0)
    taken = []
    while True:
        enabled = tuple(Choice(worker=w, step=s[at[w]]) for w, s in STEPS.items() if at[w] < len(s))
        choice = strategy.choose(enabled)
        if choice is None:
            return taken
        taken.append(str(choice))
        at[choice.worker] = 9 if choice.action is Action.KILL else at[choice.worker] + 1
        strategy.observe(Effect(workers=frozenset({choice.worker})))


def always(step: str) -> bool:
    return bool(step)


def test_the_worker_is_struck_in_place_of_the_step_and_the_others_go_on() -> None:
    inner = InTurn("abab")
    strategy = Struck(inner, "a", 1, Action.KILL, always)
    assert run(strategy) == ["a.x", "b.x", "a.kill"]
    assert (strategy.turn, len(inner.observed)) == (2, 3)
    assert not strategy.exhausted


def test_a_fault_that_finds_nothing_to_strike_waits_for_the_next_point() -> None:
    strategy = Struck(InTurn("aaa"), "a", 0, Action.LOSE, lambda step: step == "z")
    assert run(strategy) == ["a.x", "a.y", "a.z!killed"]
    assert strategy.turn == 2


def test_a_worker_that_ends_before_its_point_is_not_struck() -> None:
    strategy = Struck(InTurn("baaa"), "b", 1, Action.KILL, always)
    assert run(strategy) == ["b.x", "a.x", "a.y", "a.z"]
    assert strategy.turn is None


@pytest.mark.parametrize(("position", "promised"), [(1, 0), (2, 1), (9, 5)])
def test_nobody_runs_past_the_point_where_the_fault_may_strike(position: int, promised: int) -> None:
    strategy = Struck(InTurn("a", promises=5), "a", position, Action.KILL, always)
    strategy.start()
    strategy.choose((Choice(worker="a", step="x"), Choice(worker="b", step="x")))
    assert strategy.ahead() == promised


def test_other_workers_run_as_far_as_was_promised() -> None:
    strategy = Struck(InTurn("b", promises=5), "a", 0, Action.KILL, always)
    strategy.start()
    strategy.choose((Choice(worker="a", step="x"), Choice(worker="b", step="x")))
    assert strategy.ahead() == 5


def test_it_strikes_where_it_was_aimed_at_though_the_way_there_is_shorter() -> None:
    assert run(Struck(InTurn("aab"), "a", 2, Action.KILL, always, at=("y", 1))) == ["a.x", "a.kill", "b.x"]
    assert run(Struck(InTurn("aaab"), "a", 2, Action.KILL, always, at=("y", 2))) == ["a.x", "a.y", "a.kill", "b.x"]


def test_nothing_is_promised_of_the_way_to_a_step() -> None:
    strategy = Struck(InTurn("aaa", promises=2), "a", 2, Action.KILL, always, at=("y", 1))
    assert strategy.start()
    strategy.choose((Choice(worker="a", step="x"),))
    assert strategy.ahead() == 0


@pytest.mark.parametrize(
    ("position", "stretch", "taken"),
    [
        (0, ("y", "z"), ["a.x", "a.kill"]),
        (0, ("z", ""), ["a.x", "a.y", "a.kill"]),
        (1, ("y", "z"), ["a.x", "a.y", "a.z"]),  # it would have been in the stretch of another call
        (1, ("y", ""), ["a.x", "a.y", "a.kill"]),
    ],
)
def test_only_in_its_stretch_is_a_worker_struck(position: int, stretch: tuple[str, str], taken: list[str]) -> None:
    assert run(Struck(InTurn("aaa"), "a", position, Action.KILL, always, stretch)) == taken


def test_nothing_is_promised_on_the_way_to_the_stretch() -> None:
    strategy = Struck(InTurn("a", promises=5), "a", 0, Action.KILL, always, ("y", ""))
    strategy.start()
    strategy.choose((Choice(worker="a", step="x"),))
    assert strategy.ahead() == 0
