"""The search with faults comes to everything that some order with at most one fault at some point can come to."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulated import Simulation, System, Transaction
from systems import ENDS, OPS

from harness.model import Action, Choice
from harness.strategies.exhaustive import Exhaustive
from harness.strategies.preemption_bounded import PreemptionBounded


def crash(step: Choice) -> Iterable[Action]:
    return (Action.KILL,) if step.worker == "a" else ()


class Plainly(PreemptionBounded):
    """Every order of the steps with at most one crash, one execution each."""

    def start(self) -> bool:
        self.struck = False
        return super().start()

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        if not self.struck:
            enabled = (*enabled, *(c.struck_by(fault) for c in enabled for fault in crash(c)))
        choice = super().choose(enabled)
        self.struck = self.struck or (choice is not None and choice.action is not Action.RUN)
        return choice


def executed(search: Exhaustive | Plainly, system: System) -> tuple[list[str], Simulation]:
    simulation, chosen = Simulation(system, retries=True), []
    while (choice := search.choose(simulation.enabled())) is not None:
        chosen.append(str(choice))
        strikes = choice.action is Action.KILL
        search.observe(simulation.crash(choice.worker) if strikes else simulation.take(choice.worker))
    return chosen, simulation


def explored(search: Exhaustive | Plainly, system: System) -> tuple[set[str], list[list[str]]]:
    """The outcomes, but for those of executions that counted as pruned, and the orders executed."""
    outcomes, orders, pruned, outcome = set[str](), list[list[str]](), 0, ""
    while True:
        more = search.start()  # now it is known of the one before
        now = search.pruned if isinstance(search, Exhaustive) else 0
        if orders and now == pruned:
            outcomes.add(outcome)
        if not more:
            return outcomes, orders
        order, simulation = executed(search, system)
        pruned, outcome = now, simulation.outcome()
        orders.append(order)
        assert len(orders) <= 20_000


@st.composite
def small(draw: st.DrawFn) -> System:
    """Two workers: their orders with a crash and a retry are up to a few thousand."""
    levels = draw(st.sampled_from([(0,), (0, 1), (2,)]))
    system: System = {}
    for name, sizes in zip(
        "ab", draw(st.sampled_from([((1,), (1,)), ((2,), (1,)), ((1,), (2,)), ((1,), (1, 1))])), strict=True
    ):
        found = [(tuple(draw(OPS) for _ in range(size)), draw(st.sampled_from(levels))) for size in sizes]
        system[name] = tuple(Transaction(ops, level > 0, draw(ENDS), level > 1) for ops, level in found)
    return system


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(small())
def test_the_search_with_a_crash_misses_nothing(system: System) -> None:
    """The crashed worker's transaction is rolled back, and a retry begins its whole list again."""
    expected, every = explored(Plainly(most=10_000), system)
    search = Exhaustive(faults=crash)
    found, orders = explored(search, system)
    assert found == expected
    assert search.exhausted
    assert len({tuple(order) for order in orders}) == len(orders) <= len(every)
    assert "a.kill" in {turn for order in orders for turn in order}


def test_a_search_that_does_not_look_for_what_a_step_passes_is_found_out() -> None:
    """Struck only where a race brings the fault: nothing would ever bring it first."""

    class Forgetful(Exhaustive):
        def _note_vanished(self, *_: object) -> None:
            pass

    system: System = {name: (Transaction((("write", "t", 0),)),) for name in "ab"}
    expected, _ = explored(Plainly(most=10_000), system)
    assert explored(Exhaustive(faults=crash), system)[0] == expected
    assert explored(Forgetful(faults=crash), system)[0] < expected
