"""Strategies that draw at random: the same again for the same seed, and as likely as they say."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from harness.model import Choice
from harness.strategies.pct import STEPS_AT_FIRST, Pct
from harness.strategies.protocol import Strategy
from harness.strategies.random_walk import RandomWalk

Free = dict[str, int]
"""Workers that never wait, and how many steps each has."""


def run(strategy: Strategy, free: Free) -> str:
    """One execution, of a strategy that has been started: the workers as they were chosen."""
    left, chosen = dict(free), ""
    while (choice := strategy.choose(tuple(Choice(worker=w, step=str(n)) for w, n in left.items() if n))) is not None:
        left[choice.worker] -= 1
        chosen += choice.worker
    return chosen


def runs(strategy: Strategy, free: Free, count: int) -> list[str]:
    found = []
    for _ in range(count):
        assert strategy.start()
        found.append(run(strategy, free))
    assert not strategy.exhausted
    return found


MAKERS: dict[str, Callable[[int], Strategy]] = {"random_walk": RandomWalk, "pct": lambda seed: Pct(seed, n=2)}
TWO: Free = {"a": 4, "b": 4}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_a_seed_gives_the_same_again_and_another_seed_something_else(make: Callable[[int], Strategy]) -> None:
    assert runs(make(0), TWO, 20) == runs(make(0), TWO, 20) != runs(make(1), TWO, 20)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_what_came_before_does_not_shift_the_draws(make: Callable[[int], Strategy]) -> None:
    """An execution of its own kind, whatever the ones before were like: only what is learned of lengths counts."""
    one, other = make(5), make(5)
    before = runs(one, TWO, 3)
    for _ in before:
        other.start()
        run(other, TWO)
        other.choose(())
    assert runs(one, TWO, 5) == runs(other, TWO, 5)


def chi_square(found: Sequence[str], kinds: int) -> float:
    """Distance from "all kinds equally often"; its mean is ``kinds - 1`` where they are."""
    expected = len(found) / kinds
    seen = Counter(found)
    return sum((n - expected) ** 2 for n in seen.values()) / expected + (kinds - len(seen)) * expected


def naive(free: Free, count: int) -> list[str]:
    """Every worker that can act equally often: what the weights are there to improve on."""
    draw, found = random.Random(0), []
    for _ in range(count):
        left, chosen = dict(free), ""
        while any(left.values()):
            worker = draw.choice([w for w, n in left.items() if n])
            left[worker] -= 1
            chosen += worker
        found.append(chosen)
    return found


@pytest.mark.parametrize("free", [{"a": 6, "b": 2}, {"a": 1, "b": 4, "c": 2}], ids=["6 and 2", "1, 4 and 2"])
def test_a_random_walk_takes_all_interleavings_about_equally_often(free: Free) -> None:
    """Measured with 28 and 105 interleavings, 100 draws of each on the average: chi-square 31 and 113 (27 and 104 are
    to be expected), drawn naively 5,993 and 17,790."""
    kinds = math.factorial(sum(free.values())) // math.prod(math.factorial(n) for n in free.values())
    walk = RandomWalk(0)
    runs(walk, free, 1)  # learns how long they are
    bound = kinds - 1 + 4 * math.sqrt(2 * (kinds - 1))
    assert chi_square(runs(walk, free, 100 * kinds), kinds) < bound
    assert chi_square(naive(free, 100 * kinds), kinds) > 10 * bound


def test_a_random_walk_goes_on_beyond_what_it_has_learned() -> None:
    walk = RandomWalk(0)
    runs(walk, {"a": 1, "b": 1}, 5)
    assert {len(found) for found in runs(walk, {"a": 5, "b": 1}, 5)} == {6}


def test_pct_bounds() -> None:
    pct = Pct(0, n=2, depth=3, k=10)
    assert pct.bound() == pytest.approx(1 / (2 * 10**2))
    assert pct.missed_below(0) == 1
    assert pct.missed_below(1000) == pytest.approx((1 - 1 / 200) ** 1000)
    assert (pct.depth, pct.n, pct.k) == (3, 2, 10)
    assert pct.start()
    assert pct.facts() == {"explored": 0, "depth": 3, "n": 2, "k": 10, "missed": pct.missed_below(1)}


def test_pct_learns_how_long_executions_are() -> None:
    pct = Pct(0, n=3)
    assert pct.k == 3 * STEPS_AT_FIRST
    for free, k in (({"a": 2, "b": 1}, 3), ({"a": 9}, 9), ({"a": 1}, 9)):
        runs(pct, free, 1)
        pct.start()
        assert pct.k == k


def test_pct_of_depth_1_is_a_random_order_of_whole_workers() -> None:
    found = Counter(runs(Pct(0, n=3, depth=1), {"a": 2, "b": 1, "c": 3}, 600))
    assert len(found) == math.factorial(3)
    assert all(len([1 for x, y in pairwise(order) if x != y]) == 2 for order in found)
    assert min(found.values()) > 600 / 6 / 2


RACES: dict[str, tuple[int, Callable[[str], bool]]] = {
    "a begins": (1, lambda order: order[0] == "a"),
    "b begins behind a's third step": (2, lambda order: order.index("b") == 3),
    "b begins behind a's first step, and a goes on behind b's second": (3, lambda order: order[:4] == "abba"),
}


@pytest.mark.parametrize(("depth", "shows"), RACES.values(), ids=RACES.keys())
def test_pct_hits_a_race_of_its_depth_about_as_often_as_promised_or_more(
    depth: int, shows: Callable[[str], bool]
) -> None:
    pct = Pct(1, n=2, depth=depth)
    runs(pct, TWO, 1)
    hits, count = sum(map(shows, runs(pct, TWO, 4000))), 4000
    promised = pct.bound()
    assert promised == pytest.approx(1 / (2 * 8 ** (depth - 1)))
    assert hits / count > promised - 3 * math.sqrt(promised * (1 - promised) / count)


def test_pct_leaves_a_worker_that_waits_and_comes_back_to_it() -> None:
    """Whoever has the highest priority of those that can act; nobody else is disturbed."""
    pct = Pct(0, n=2, depth=1)
    pct.start()
    a, b = Choice(worker="a", step="x"), Choice(worker="b", step="x")
    first = pct.choose((a, b))
    other = b if first == a else a
    assert pct.choose((other,)) == other
    assert pct.choose((a, b)) == first
    assert pct.choose(()) is None
