"""Searches that go through orders in a fixed sequence: what comes first, what is left out, when they are done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, permutations

import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from simulated import Op, Simulation, System, Transaction
from simulated_runs import all_outcomes, execute
from systems import explored, systems

from harness.dependence import WAIT
from harness.errors import NondeterminismError
from harness.model import Choice, Effect, Footprint
from harness.strategies.auto import Auto
from harness.strategies.exhaustive import Exhaustive
from harness.strategies.preemption_bounded import PreemptionBounded


def one(*ops: Op) -> tuple[Transaction, ...]:
    return (Transaction(ops),)


READ, WRITE = ("read", "t", 0), ("write", "t", 0)
LOST_UPDATE: System = {"a": one(READ, WRITE), "b": one(READ, WRITE)}
APART: System = {"a": one(("write", "t", 0)), "b": one(("write", "u", 0)), "c": one(("write", "v", 0))}
LONG: System = {"a": one(READ) * 4, "b": one(WRITE) * 4}
"""Transactions of one operation, one after the other."""


def preemptions(order: Sequence[str], system: System) -> int:
    simulation, count, current = Simulation(system), 0, ""
    for worker in order:
        count += worker != current and any(c.worker == current for c in simulation.enabled())
        simulation.take(worker)
        current = worker
    return count


# ------------------------------------------------------------------------------------------------ preemption bounded


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(systems(workers=2))
def test_a_bounded_search_executes_every_order_within_its_bound_fewest_switches_first(system: System) -> None:
    _, everything = explored(PreemptionBounded(most=100), system)
    search = PreemptionBounded(most=1)
    _, orders = explored(search, system)
    counts = [preemptions(order, system) for order in orders]
    assert counts == sorted(counts)
    assert len(set(orders)) == len(orders)
    assert set(orders) == {order for order in everything if preemptions(order, system) <= 1}
    assert search.exhausted is (len(orders) == len(everything)), "nothing lies beyond"
    assert search.facts()["bound"] == 1


def test_a_bounded_search_says_how_far_it_has_come() -> None:
    search, reached = PreemptionBounded(), []
    while search.start():
        order, _ = execute(search, LOST_UPDATE)
        reached.append((preemptions(order, LOST_UPDATE), search.facts()["bound"]))
    assert {bound for count, bound in reached if count == 2} == {1}
    assert reached[0] == (0, -1)
    assert search.facts() == {"explored": len(reached), "waiting": 0, "bound": 2}
    assert not search.start()
    assert search.facts()["explored"] == len(reached)


# -------------------------------------------------------------------------------------------------------- exhaustive


def test_independent_workers_need_one_execution() -> None:
    search = Exhaustive()
    _, orders = explored(search, APART)
    assert len(orders) == 1
    assert all_outcomes(APART)[1] == 90
    assert search.facts() == {"explored": 1, "pruned": 0, "switches": 0, "waiting": 0}


def test_a_lost_update_shows_with_one_switch() -> None:
    outcomes = {" ".join(order): simulation.outcome() for order, simulation in _all(Exhaustive(), LOST_UPDATE)}
    serial = {outcome for order, outcome in outcomes.items() if order in ("a a a b b b", "b b b a a a")}
    orders = list(outcomes)
    first = next(i for i, order in enumerate(orders) if outcomes[order] not in serial)
    assert preemptions(orders[first].split(), LOST_UPDATE) == 1
    assert first < 4


def _all(search: Exhaustive, system: System) -> list[tuple[tuple[str, ...], Simulation]]:
    found = []
    while search.start():
        found.append(execute(search, system))
    return found


def test_switches_come_in_order_where_every_order_is_a_class_of_its_own() -> None:
    """Not strictly, as a late race may ask for a branch with few; but never one with more before one that waits."""
    _, orders = explored(Exhaustive(dependent=lambda _a, _b: True), {"a": one(READ, READ), "b": one(READ, READ)})
    counts = [preemptions(order, {"a": one(READ, READ), "b": one(READ, READ)}) for order in orders]
    assert counts[0] == 0
    assert counts[-1] == max(counts)
    assert sum(x > y for x, y in pairwise(counts)) <= 2


def test_an_execution_that_is_given_up_comes_again() -> None:
    search = Exhaustive()
    expected = [" ".join(order) for order, _ in _all(Exhaustive(), LOST_UPDATE)]
    found = []
    while search.start():
        simulation = Simulation(LOST_UPDATE)
        choice = search.choose(simulation.enabled())
        assert choice is not None
        search.observe(simulation.take(choice.worker))
        assert search.start()
        found.append(" ".join(execute(search, LOST_UPDATE)[0]))
    assert found == expected


class Forgetful(Simulation):
    """Reports only part of what some turns did."""

    def __init__(self, system: System, *, turns: int = 0, waits: bool = True) -> None:
        super().__init__(system)
        self._blank, self._waits = turns, waits

    def take(self, worker: str) -> Effect:
        effect = super().take(worker)
        self._blank -= 1
        if self._blank >= 0:
            return Effect(workers=effect.workers)
        if not self._waits:
            writes = effect.footprint.writes - {WAIT}
            return replace(effect, footprint=replace(effect.footprint, writes=writes))
        return effect


def forgetfully(search: Exhaustive, system: System, *, turns: int, waits: bool = True) -> tuple[set[str], list[str]]:
    """The search with an observer that leaves out what the first ``turns`` turns of the first execution touched (and
    always, unless ``waits``, that somebody began to wait): outcomes, first workers."""
    outcomes, firsts = set(), []
    while search.start():
        simulation = Forgetful(system, turns=0 if firsts else turns, waits=waits)
        chosen = []
        while (choice := search.choose(simulation.enabled())) is not None:
            chosen.append(choice.worker)
            search.observe(simulation.take(choice.worker))
        outcomes.add(simulation.outcome())
        firsts.append(chosen[0])
    return outcomes, firsts


@settings(max_examples=examples(50), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(systems())
def test_what_a_turn_turns_out_to_do_when_it_comes_again_is_reckoned_with(system: System) -> None:
    """The very first turn is seen to touch nothing, at first. Once it has been repeated nothing is missing."""
    expected, _ = all_outcomes(system)
    found, firsts = forgetfully(Exhaustive(), system, turns=1)
    assert found <= expected
    if firsts.count(firsts[0]) > 1:
        assert found == expected


def test_a_repeated_turn_that_does_more_than_before_brings_back_what_slept() -> None:
    """Without that the order "c before a" is taken to be covered, from the first execution on."""
    system: System = {"a": one(WRITE, ("read", "u", 0)), "b": one(("write", "u", 0)), "c": one(READ)}
    expected, _ = all_outcomes(system)
    found, firsts = forgetfully(Exhaustive(), system, turns=1)
    assert firsts.count("a") > 1
    assert found == expected


def test_a_wait_that_was_not_reported_is_inferred_from_its_end() -> None:
    """Of two workers that want each other's rows either may be the victim."""
    t, u = ("write", "t", 0), ("write", "u", 0)
    system: System = {"a": one(t, u), "b": one(u, t)}
    expected, _ = all_outcomes(system)
    found, _ = forgetfully(Exhaustive(), system, turns=0, waits=False)
    assert found == expected
    assert sum("'a', ['deadlock']" in outcome for outcome in found) == 1
    assert sum("'b', ['deadlock']" in outcome for outcome in found) == 1


@pytest.mark.parametrize("search", [Exhaustive(), PreemptionBounded(), Auto(0, limit=9, workers=["a", "b"])])
def test_other_choices_after_the_same_ones_are_nondeterminism(search: Exhaustive | PreemptionBounded | Auto) -> None:
    a, b = Choice(worker="a", step="x"), Choice(worker="b", step="x")
    search.start()
    search.choose((a, b))
    search.observe(Effect(workers=frozenset("a"), footprint=Footprint(everything=True)))
    search.choose((b,))
    search.observe(Effect(workers=frozenset("b"), footprint=Footprint(everything=True)))
    search.choose(())
    search.start()
    with pytest.raises(NondeterminismError, match=r"^T0: the same choices led to \{a\.x\} in place of \{a\.x, b\.x\}$"):
        search.choose((a,))


# -------------------------------------------------------------------------------------------------------------- auto


def phases(auto: Auto, system: System) -> list[tuple[str, tuple[str, ...]]]:
    found = []
    while auto.start():
        assert auto.facts()["serial"] == (auto.phase == "serial")
        order, _ = execute(auto, system)
        found.append((auto.phase, order))
    return found


def test_auto_begins_with_every_serial_order() -> None:
    found = phases(Auto(0, limit=2000, workers=["a", "b", "c"]), APART)
    assert [order for phase, order in found if phase == "serial"] == [
        tuple(w for w in order for _ in range(2)) for order in permutations("abc")
    ]
    assert [phase for phase, _ in found] == ["serial"] * 6, "and there is nothing else to find out"


def test_auto_of_many_workers_has_each_begin_once() -> None:
    system: System = {w: one(("write", w, 0)) for w in "abcde"}
    found = phases(Auto(0, limit=2000, workers=list("abcde")), system)
    assert [order[0] for phase, order in found if phase == "serial"] == list("abcde")
    assert "".join(found[1][1]) == "bbccddeeaa"


def test_auto_shares_its_limit_out() -> None:
    auto = Auto(0, limit=42, workers=["a", "b"])
    found = [auto.phase for _ in range(42) if auto.start() and execute(auto, LONG)]
    assert found == ["serial"] * 2 + ["exhaustive"] * 30 + ["pct"] * 10
    assert not auto.exhausted
    assert auto.start()
    facts = auto.facts()
    assert (facts["explored"], facts["n"], facts["k"], facts["depth"]) == (42, 2, 16, 3)
    assert 0 < facts["missed"] < 1


def test_auto_is_exhausted_when_its_search_is() -> None:
    auto = Auto(0, limit=2000, workers=["a", "b"])
    found = phases(auto, LOST_UPDATE)
    assert {phase for phase, _ in found} == {"serial", "exhaustive"}
    assert len({order for _, order in found}) == len(found) == auto.explored
    assert auto.exhausted
    assert not auto.start()
    assert "missed" not in auto.facts()


def test_auto_finds_out_that_it_has_finished_when_its_share_is_used_up() -> None:
    """Its last execution was the last of all: no random ones are needed."""
    needed = len(phases(Auto(0, limit=2000, workers=["a", "b"]), LOST_UPDATE))
    limit = next(n for n in range(needed, 2 * needed) if 2 + (n - 2) * 3 // 4 == needed)
    auto = Auto(0, limit=limit, workers=["a", "b"])
    assert [phase for phase, _ in phases(auto, LOST_UPDATE)].count("pct") == 0
    assert auto.exhausted
