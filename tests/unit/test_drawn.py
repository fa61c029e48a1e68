"""What drawn numbers mean: 0 interrupts nobody, whatever else is around."""

from __future__ import annotations

import gc
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.draw.calls import call
from harness.draw.case import Numbers
from harness.errors import UsageError
from harness.model import Choice
from harness.strategies.draw import Draw
from harness.strategies.drawn import Drawn


def run(strategy: Drawn, workers: dict[str, list[str]]) -> str:
    """The order in which workers' steps are taken: ``a.1 a.2 b.1``."""
    left = {w: list(steps) for w, steps in workers.items()}
    taken = []
    assert strategy.start()
    while choice := strategy.choose(tuple(Choice(worker=w, step=s[0]) for w, s in left.items() if s)):
        left[choice.worker].pop(0)
        taken.append(str(choice))
    assert not strategy.start()
    return " ".join(taken)


TWO = {"a": ["1", "2"], "b": ["1", "2"]}


@pytest.mark.parametrize(
    ("numbers", "order"),
    [
        ((), "a.1 a.2 b.1 b.2"),
        ((0, 0, 0, 0), "a.1 a.2 b.1 b.2"),
        ((1,), "b.1 b.2 a.1 a.2"),
        ((0, 1), "a.1 b.1 b.2 a.2"),
        ((0, 1, 1), "a.1 b.1 a.2 b.2"),
        ((2, 3), "a.1 b.1 b.2 a.2"),  # around: two can act, so 2 is 0 and 3 is 1
    ],
)
def test_numbers_of_whole_workers(numbers: tuple[int, ...], order: str) -> None:
    assert run(Drawn(numbers), TWO) == order


CALLS = {"a": ["charge", "f:1", "charge:commit", "refund", "g:1"], "b": ["complete", "h:1"]}
SEQUENCE = ("a.charge", "b.complete", "a.refund")


@pytest.mark.parametrize(
    ("numbers", "order"),
    [
        ((), "a.charge a.f:1 a.charge:commit b.complete b.h:1 a.refund a.g:1"),
        ((0, 0, 1), "a.charge a.f:1 b.complete b.h:1 a.charge:commit a.refund a.g:1"),
        ((0, 0, 0, 0, 1), "a.charge a.f:1 a.charge:commit b.complete a.refund a.g:1 b.h:1"),
    ],
)
def test_numbers_of_a_sequence(numbers: tuple[int, ...], order: str) -> None:
    """A worker is in hand until its statement is over; whose turn it is then, the sequence says."""
    assert run(Drawn(numbers, SEQUENCE), CALLS) == order


@given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_what_is_promised_is_kept(numbers: list[int], lengths: Sequence[int]) -> None:
    left = {f"w{i}": n for i, n in enumerate(lengths)}
    strategy = Drawn(numbers)
    strategy.start()
    promised, last = 0, ""
    while choice := strategy.choose(tuple(Choice(worker=w, step=str(n)) for w, n in left.items() if n)):
        assert not (promised and left.get(last)) or choice.worker == last
        promised = promised - 1 if choice.worker == last and promised else 0
        left[choice.worker] -= 1
        promised, last = strategy.ahead(), choice.worker


def test_numbers_show_only_who_is_interrupted_when() -> None:
    assert repr(Numbers((0, 0, 2, 0, 1))) == "Numbers({2: 2, 4: 1})"


def test_hypothesis_s_thread_ends_with_its_strategy() -> None:
    """Also where the campaign ends before all was drawn."""
    strategy: Draw | None = Draw(0, limit=50, workers=["a", "b"])
    assert strategy is not None
    assert strategy.start()
    [thread] = [t for t in threading.enumerate() if t.name == "draw" and t.is_alive()][-1:]
    del strategy
    gc.collect()
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("sql", "values", "message"),
    [
        ("SELECT f({a})", {}, "a: every {place} needs a strategy"),
        ("SELECT f(1)", {"b": st.just(1)}, "b: every {place} needs a strategy"),
    ],
)
def test_places_and_strategies_must_agree(sql: str, values: dict[str, st.SearchStrategy[int]], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("{", r"\{")):
        call(sql, **values)


@pytest.mark.parametrize(
    ("value", "sql"),
    [(1, "1"), (-1, "(-1)"), (1.5, "1.5"), (True, "true"), (None, "NULL"), ("o'clock", "'o''clock'")],
)
def test_values_become_literals(value: object, sql: str) -> None:
    found: list[str] = []

    @given(call("SELECT f({x})", x=st.just(value)))
    def draw(called: object) -> None:
        found.append(called.statement.sql)  # type: ignore[attr-defined]
        assert repr(called) == f"f(x={value!r})"

    draw()
    assert set(found) == {f"SELECT f({sql})"}


def test_bad_sql_is_a_usage_error() -> None:
    @given(call("SELEC f({x})", x=st.just(1)))
    def draw(called: object) -> None:
        raise AssertionError(called)

    with pytest.raises(UsageError, match="bad SQL"):
        draw()
