"""Another choice at one turn of a schedule: what comes before it is repeated, what comes behind it runs to its end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.errors import NondeterminismError
from harness.model import Action, Choice, Decision
from harness.strategies.otherwise import Otherwise
from harness.strategies.protocol import TO_THE_END


def c(text: str) -> Choice:
    worker, step = text.split(".")
    return Choice(worker=worker, step=step)


def decided(taken: str, *others: str) -> Decision:
    return Decision(choice=c(taken), enabled=(*map(c, (taken, *others)),))


BEFORE = (decided("a.1", "b.1"), decided("a.2", "b.1"))


def chosen(strategy: Otherwise, *enabled: Sequence[str]) -> list[str]:
    return [str(strategy.choose(tuple(map(c, choices)))) for choices in enabled]


def test_it_goes_another_way_at_its_turn_and_on_with_the_worker_that_took_it() -> None:
    strategy = Otherwise(BEFORE, c("b.1"))
    strategy.start()
    begun = chosen(strategy, ["a.1", "b.1"], ["a.2", "b.1"], ["a.3", "b.1", "c.1"])
    assert begun == ["a.1", "a.2", "b.1"]
    assert strategy.ahead() == TO_THE_END
    rest = chosen(strategy, ["a.3", "b.2", "c.1"], ["a.3", "c.1"], ["a.4", "b.3", "c.1"], ["c.1"])
    assert rest == ["b.2", "a.3", "a.4", "c.1"], "the one at work, and the first of the others while that one waits"
    assert strategy.choose(()) is None
    assert not strategy.start()


def test_it_promises_what_it_repeats_and_no_more() -> None:
    strategy = Otherwise(BEFORE, c("a.3"))
    chosen(strategy, ["a.1", "b.1"])
    assert strategy.ahead() == 1
    chosen(strategy, ["a.2", "b.1"])
    assert strategy.ahead() == 0


@pytest.mark.parametrize("enabled", [["a.1"], ["a.1", "b.2"]])
def test_what_was_enabled_before_must_be_so_again(enabled: list[str]) -> None:
    with pytest.raises(NondeterminismError, match="T0"):
        chosen(Otherwise(BEFORE, c("b.1")), enabled)


def test_so_must_the_other_choice() -> None:
    with pytest.raises(NondeterminismError, match=r"b\.1 was possible"):
        chosen(Otherwise(BEFORE, c("b.1")), ["a.1", "b.1"], ["a.2", "b.1"], ["a.3"])


def test_timeouts_are_announced_that_it_repeats() -> None:
    struck = Decision(choice=Choice(worker="a", action=Action.LOCK_TIMEOUT), enabled=(c("a.1"),))
    assert Otherwise((struck,), c("a.1")).arms == {"a": Action.LOCK_TIMEOUT}
    assert Otherwise((), c("a.1")).arms == {}
