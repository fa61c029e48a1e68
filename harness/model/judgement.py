"""What checks say of an execution, and how far a campaign went."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.histories import Execution, Schedule
from harness.model.points import Opaque
from harness.model.stories import UNTOLD, Story
from harness.model.values import Row, Verdict

DECLARED = frozenset({"answer", "blocking"})
"""Checks of what an exact order declares: any other order declares nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A check that failed, with its witnesses. ``message``: one sentence in words. ``turn``: where it showed."""

    check: str
    message: str
    witness: tuple[Row, ...] = ()
    turn: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """``examined`` counts what was looked at, so that "passed" and "looked at nothing" stay apart.

    ``notes``: findings of the weaker kind (the money is right, an answer is not what a serial run gives): reported,
    never red.
    """

    check: str
    examined: int
    violations: tuple[Violation, ...] = ()
    notes: tuple[Violation, ...] = ()

    @property
    def verdict(self) -> Verdict:
        if self.violations:
            return Verdict.VIOLATION
        return Verdict.PASS if self.examined else Verdict.INCONCLUSIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterexample:
    """A violating execution with everything a report needs. ``replay``: path of the saved schedule. ``without``: parts
    of the scenario that it does not need. ``found_in``: the schedule that was found first, before it was shrunk.
    ``story``: what explains it."""

    scenario: str
    execution: Execution
    violations: tuple[Violation, ...]
    replay: str
    without: tuple[str, ...] = ()
    found_in: Schedule | None = None
    story: Story = UNTOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """How far a campaign went inside functions. ``points``: the most steps that the workers took, added up. ``pairs``:
    ordered pairs of points of different workers that were seen in that order, of ``possible`` that there would be if
    nothing ever waited; ``before`` counts them. ``alone``: points at which no other worker was ever under way.
    ``opaque``: functions that ran as one step. ``pruned``: executions that turned out to be equivalent to earlier
    ones."""

    points: int = 0
    pairs: int = 0
    possible: int = 0
    alone: tuple[str, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    pruned: int = 0
    steps: tuple[tuple[str, str, str], ...] = ()
    """(worker, step, what it is in words): those that were taken, worker by worker, in the order of the code."""
    before: tuple[tuple[int, int, int], ...] = ()
    """(i, j, n): ``steps[i]`` was taken before ``steps[j]``, of another worker, in n executions; n > 0."""
