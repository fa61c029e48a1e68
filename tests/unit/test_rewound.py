"""An execution that is begun anew: the strategy is asked only what it has not been asked before."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from harness.errors import NondeterminismError
from harness.model import Action, Choice, Decision, Effect, Order, OrderStep, Schedule
from harness.strategies.faulted import Faulted
from harness.strategies.fixed import Fixed
from harness.strategies.once import Once
from harness.strategies.protocol import arms_of
from harness.strategies.replay import Replay
from harness.strategies.rewound import Rewound
from harness.strategies.serial import Serial

A, B = Choice(worker="a", step="s"), Choice(worker="b", step="s")
STRUCK = Choice(worker="a", action=Action.STATEMENT_TIMEOUT)


@dataclass
class Alternating(Once):
    """Takes the first and the last in turn, and counts what it is told."""

    asked: int = 0
    told: list[Effect] = field(default_factory=list)
    name = "alternating"

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        self.asked += 1
        return enabled[-(self.asked % 2)] if self.asked < 5 else None

    def observe(self, effect: Effect) -> None:
        self.told.append(effect)

    def ahead(self) -> int:
        return 7


def effect(name: str) -> Effect:
    return Effect(workers=frozenset({name}))


def begun_anew() -> tuple[Alternating, Rewound]:
    """After two turns, of which the second was not over."""
    inner = Alternating()
    taken = [Decision(choice=c, enabled=(A, B)) for c in (inner.choose((A, B)), inner.choose((A, B))) if c is not None]
    inner.observe(effect("first"))
    return inner, Rewound(inner, taken)


def test_what_was_chosen_is_chosen_again_and_then_the_strategy_goes_on() -> None:
    inner, again = begun_anew()
    chosen = []
    for name in ("first again", "second", "third", "fourth"):
        chosen.append(again.choose((A, B)))
        again.observe(effect(name))
    assert chosen == [B, A, B, A]
    assert again.choose((A, B)) is None
    assert inner.asked == 5
    assert [e.workers for e in inner.told] == [{n} for n in ("first", "second", "third", "fourth")]


def test_it_may_be_begun_anew_again_and_again() -> None:
    inner, again = begun_anew()
    for turns in (3, 1, 2):
        for _ in range(turns):
            again.choose((A, B))
        again.rewind()
    assert [again.choose((A, B)) for _ in range(5)] == [B, A, B, A, None]
    assert inner.asked == 5


def test_nothing_is_promised_of_what_is_only_repeated() -> None:
    _, again = begun_anew()
    assert [again.choose((A, B)) and again.ahead() for _ in range(3)] == [0, 7, 7]


def test_another_way_is_nobodys_violation() -> None:
    _, again = begun_anew()
    again.choose((B, A))  # in whatever order
    with pytest.raises(NondeterminismError, match=r"T1: begun anew, enabled a\.s; before that a\.s, b\.s"):
        again.choose((A,))


def test_strategies_that_know_beforehand_whom_a_timeout_strikes_say_so() -> None:
    decisions = (Decision(choice=A, enabled=(A, B)), Decision(choice=STRUCK, enabled=(A, B)))
    known = {"a": Action.STATEMENT_TIMEOUT}
    assert arms_of(Replay(Schedule(seed=0, decisions=decisions), exact=True)) == known
    assert arms_of(Fixed(Order(steps=(OrderStep(choice=STRUCK),)))) == known
    assert arms_of(Rewound(Faulted("a", 3, Action.STATEMENT_TIMEOUT), decisions)) == known
    assert arms_of(Faulted("a", 3, Action.CANCEL)) == arms_of(Serial(["a"])) == {}
