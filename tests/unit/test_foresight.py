"""Shards execute what a strategy is going to ask for: it asks for the same with them and without, and mostly for what
they have done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulated import Simulation, System, Transaction
from simulated_runs import execute
from systems import systems

from harness.errors import DriverError, NondeterminismError
from harness.model import Choice, Decision, Effect, Scenario
from harness.sharding.foresight import Foresight, OverError
from harness.sharding.judged import Judged
from harness.sharding.work import Batch, Play, Recorded
from harness.strategies.exhaustive import Exhaustive
from harness.strategies.foreseen import Foreseeing
from harness.strategies.protocol import Strategy
from harness.strategies.random_walk import RandomWalk
from harness.strategies.registry import make

SIMULATED = Scenario(
    name="simulated", file="", about="", text_hash="", install=(), setup=(), workers=(), interleavings=(), expect={},
    expect_violation=(), invariants=(), state=(), users=(), jobs=(), fresh_database=False,
)  # fmt: skip
PLAY = Play.of(SIMULATED, inside=True, isolation=None, seed=0)
NAMES = ["auto", "exhaustive", "preemption_bounded", "pct", "random_walk"]
Chooser = Callable[[Sequence[Choice]], Choice]


class Simulated:
    """Shards that execute in a simulated system, here and at once. ``instead``: chooses in place of the guides."""

    width = 2

    def __init__(self, system: System, instead: Chooser | None = None) -> None:
        self.system, self.instead = system, instead
        self.executed = 0

    def submit(self, batch: Batch) -> Future[list[Recorded]]:
        future: Future[list[Recorded]] = Future()
        future.set_result([self.recorded(guide.strategy()) for guide in batch.guides])
        return future

    def close(self) -> None:
        """Nothing is open."""

    def recorded(self, strategy: Strategy) -> Recorded:
        self.executed += 1
        simulation = Simulation(self.system)
        strategy.start()
        decisions, effects = list[Decision](), list[Effect]()
        while enabled := simulation.enabled():
            choice = self.instead(enabled) if self.instead else strategy.choose(enabled)
            assert choice in enabled
            decisions.append(Decision(choice=choice, enabled=enabled))
            effects.append(simulation.take(choice.worker))
            strategy.observe(effects[-1])
        judged = Judged(decisions=tuple(decisions), results=(), overlapped=False, changed=False, execution=None)
        return Recorded(judged=judged, effects=tuple(effects))


def made(name: str, system: System, seed: int) -> Strategy:
    return make(name, seed=seed, limit=300, workers=list(system))


def alone(strategy: Strategy, system: System, limit: int) -> list[tuple[str, ...]]:
    orders = []
    while len(orders) < limit and strategy.start():
        orders.append(execute(strategy, system)[0])
    return orders


def sharded(strategy: Strategy, shards: Simulated, limit: int) -> tuple[list[tuple[str, ...]], Foresight]:
    assert isinstance(strategy, Foreseeing)
    foresight = Foresight(strategy, shards, PLAY)
    orders = list[tuple[str, ...]]()
    while len(orders) < limit:
        foresight.look(limit - len(orders), passing=False)
        if not strategy.start():
            break
        judged, follow = foresight.take(strategy)
        if judged is None:
            orders.append(execute(follow, shards.system)[0])
        else:
            orders.append(tuple(d.choice.worker for d in judged.decisions))
    foresight.close()
    return orders, foresight


def same(name: str, system: System, seed: int, shards: Simulated, limit: int = 120) -> Foresight:
    """The same orders in the same sequence, and the same said of them; what the shards were good for."""
    one, other = made(name, system, seed), made(name, system, seed)
    expected = alone(one, system, limit)
    found, foresight = sharded(other, shards, limit)
    assert found == expected
    assert (other.facts(), other.exhausted) == (one.facts(), one.exhausted)
    assert foresight.taken + foresight.missed == len(expected)
    return foresight


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(system=systems(), seed=st.integers(0, 9))
def test_with_shards_a_strategy_executes_what_it_does_without(name: str, system: System, seed: int) -> None:
    same(name, system, seed, Simulated(system))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=examples(4), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(system=systems(), seed=st.integers(0, 9))
def test_shards_that_do_something_else_change_nothing(name: str, system: System, seed: int) -> None:
    same(name, system, seed, Simulated(system, instead=lambda enabled: enabled[-1]))


def long(*tables: str) -> tuple[Transaction, ...]:
    return (Transaction(tuple(("write", t, 0) for t in tables)),)


RACING: System = {"a": long("t", "u"), "b": long("t", "u"), "c": long("u", "t")}


@pytest.mark.parametrize(("name", "share"), [("exhaustive", 0.7), ("preemption_bounded", 0.7), ("random_walk", 0.9)])
def test_most_of_what_comes_was_foreseen(name: str, share: float) -> None:
    shards = Simulated(RACING)
    foresight = same(name, RACING, 0, shards, 300)
    assert foresight.taken > share * (foresight.taken + foresight.missed)
    assert shards.executed < 1.5 * (foresight.taken + foresight.missed)


def test_what_is_foreseen_of_a_search_knows_who_sleeps() -> None:
    """Else a branch's order beyond its first turn would mostly be another one."""
    search = Exhaustive()
    for _ in range(12):
        assert search.start()
        execute(search, RACING)
    assert any(guide.asleep for guide in search.foresee(50))  # type: ignore[attr-defined]


def test_a_shard_whose_server_offers_other_choices_is_an_error() -> None:
    class Changing(Simulated):
        def submit(self, batch: Batch) -> Future[list[Recorded]]:
            there = Simulated({**RACING, "a": long("t")} if self.executed else RACING)
            self.executed += 1
            return there.submit(batch)

    with pytest.raises(NondeterminismError, match=r"T\d+: the same choices led to "):
        sharded(made("exhaustive", RACING, 0), Changing(RACING), 300)


class Failing(Simulated):
    """Every batch that ``fails`` says (by its number, from 0) ends with an error; of ``short`` ones half is there."""

    def __init__(self, system: System, fails: Callable[[int], bool], short: Callable[[int], bool]) -> None:
        super().__init__(system)
        self.fails, self.short, self.batches = fails, short, 0

    def submit(self, batch: Batch) -> Future[list[Recorded]]:
        number, self.batches = self.batches, self.batches + 1
        if self.short(number):
            batch = replace(batch, guides=batch.guides[: len(batch.guides) // 2])
        future = super().submit(batch)
        if self.fails(number):
            future = Future()
            future.set_exception(DriverError("in a shard: no room"))
        return future


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_that_failed_is_executed_here(name: str) -> None:
    """It may have failed of what nobody is going to ask for: behind the end of the campaign, or foreseen wrongly."""
    shards = Failing(RACING, fails=lambda number: number % 5 == 1, short=lambda number: number % 5 == 3)
    foresight = same(name, RACING, 0, shards, 300)
    assert foresight.missed > 0


def test_shards_that_always_fail_are_an_error() -> None:
    shards = Failing(RACING, fails=lambda _: True, short=lambda _: False)
    with pytest.raises(DriverError, match="no room"):
        sharded(made("random_walk", RACING, 0), shards, 100)


def test_a_campaign_that_is_to_end_does_not_wait_for_a_shard() -> None:
    class Silent(Simulated):
        def submit(self, batch: Batch) -> Future[list[Recorded]]:
            assert batch.guides
            return Future()

    strategy = RandomWalk(0, most=dict.fromkeys(RACING, 9))  # it has nothing left to learn
    foresight = Foresight(strategy, Silent(RACING), PLAY, lambda: True)
    foresight.look(10, passing=False)
    assert strategy.start()
    assert foresight.take(strategy)[0] is None  # nobody was asked for the first one
    execute(strategy, RACING)
    foresight.look(9, passing=False)
    assert strategy.start()
    with pytest.raises(OverError):
        foresight.take(strategy)
