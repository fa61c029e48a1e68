"""Of a violation, the nearest order that is right: the execution without any that agrees longest with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, permutations

from harness.checks import judge
from harness.errors import DriverError, NondeterminismError
from harness.found import Found
from harness.model import DECLARED, Choice, Counterexample, Decision, Execution, Nearest
from harness.stage import Stage
from harness.strategies.otherwise import Otherwise
from harness.strategies.protocol import Strategy
from harness.strategies.serial import Serial

MOST = 60
"""Executions that go another way at some turn, at most."""
MOST_SERIAL = 6
"""Serial orders, at most: all of three workers."""


def nearest_passing(stage: Stage, found: Found, save: Callable[[Execution], str]) -> Nearest | None:
    """An execution of what ``found`` was reduced to that no check objects to, and whose choices agree with its own for
    as long as possible; kept by ``save``, which gives the path of its schedule.

    From the last turn to the first, whatever else was enabled there is taken instead (in place of a fault, so, the step
    that it struck), and every worker then runs to its end. None: not even the workers one after the other do right, or
    what is violated is only what an exact order declares of its own steps. The executions are outside of a campaign's
    numbering; they are bounded by `MOST` and `MOST_SERIAL`, so that the result does not depend on the machine.
    """
    if {v.check for v in found.violations} <= DECLARED:
        return None
    stage.leave_out(found.without)
    try:
        nearest = _nearest(stage, found.execution)
    finally:
        stage.leave_out(frozenset())
    return None if nearest is None else replace(nearest, replay=save(nearest.execution))


def with_nearest(
    example: Counterexample, stage: Stage, found: Found, save: Callable[[Execution], str]
) -> Counterexample:
    """``example``, which was made of ``found``, with what `nearest_passing` finds."""
    return replace(example, story=replace(example.story, nearest=nearest_passing(stage, found, save)))


def _nearest(stage: Stage, violating: Execution) -> Nearest | None:
    decisions = violating.schedule.decisions

    def tried(strategy: Strategy) -> Nearest | None:
        """What came of it, when nothing is violated."""
        strategy.start()
        try:
            execution = stage.execute(strategy, stage.next_number(), seed=violating.schedule.seed)
        except (DriverError, NondeterminismError):  # these choices lead nowhere, which says nothing of the violation
            return None
        if any(result.violations for result in judge(stage.context(execution, None))):
            return None
        # A variant of the counterexample, so it bears the same number.
        execution = replace(execution, number=violating.number)
        return Nearest(execution=execution, agrees=_agreement(decisions, execution.schedule.decisions))

    names = [w.name for w in stage.scenario.workers]
    orders = islice(permutations(_by_first_turn(names, decisions)), MOST_SERIAL)
    serial = next(filter(None, (tried(Serial(order)) for order in orders)), None)
    if serial is None:
        return None
    others = islice(_others(decisions, serial.agrees), MOST)
    return next(filter(None, map(tried, others)), serial)


def _others(decisions: Sequence[Decision], beyond: int) -> Iterator[Strategy]:
    """Every other choice at the turns behind ``beyond``, the last turn first; of those at a turn the struck worker's
    own step comes first, then they come in the order of the workers."""
    for turn in range(len(decisions) - 1, beyond, -1):
        taken = decisions[turn].choice
        instead = [c for c in decisions[turn].enabled if c != taken]
        for choice in sorted(instead, key=lambda c: c.worker != taken.worker):
            yield Otherwise(decisions[:turn], choice)


def _by_first_turn(names: Sequence[str], decisions: Sequence[Decision]) -> list[str]:
    """Workers in the order in which they begin: serial orders made from it agree with it longest, the first most."""
    begun = dict.fromkeys(d.choice.worker for d in decisions)
    return [n for n in (*begun, *(n for n in names if n not in begun)) if n in names]


def _agreement(ours: Sequence[Decision], others: Sequence[Decision]) -> int:
    """How many turns from the first on are the same."""
    pairs: Iterator[tuple[Choice, Choice]] = ((a.choice, b.choice) for a, b in zip(ours, others, strict=False))
    return next((turn for turn, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(others)))
