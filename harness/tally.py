"""What a campaign has seen so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.coverage import Coverage
from harness.model import CheckResult, Counterexample, Covered, Execution, Opaque, Violation

KEEP = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What one search has done. ``inside``: it went inside functions. ``facts``: what its strategy says of itself."""

    strategy: str
    executed: int
    exhausted: bool
    inside: bool = False
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Tally:
    """Counts and keepsakes of one campaign. ``first_violation``: (schedules executed by then, seconds).
    ``serially``: the first violation was seen in a serial order."""

    executed: int = 0
    orders: int = 0
    searches: list[Searched] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)
    opaque: tuple[Opaque, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of points inside functions, in words."""
    serially: bool = False
    overlapped: bool = False
    changed: bool = False
    out_of_time: bool = False
    examined: dict[str, int] = field(default_factory=dict)
    violations: dict[str, list[Violation]] = field(default_factory=dict)
    notes: dict[str, list[Violation]] = field(default_factory=dict)
    counterexamples: list[Counterexample] = field(default_factory=list)
    first_violation: tuple[int, float] | None = None
    passing: Execution | None = None

    def add(self, results: tuple[CheckResult, ...]) -> list[Violation]:
        """Count one judged execution; its violations."""
        self.executed += 1
        for r in results:
            self.examined[r.check] = self.examined.get(r.check, 0) + r.examined
            _keep(self.violations.setdefault(r.check, []), r.violations)
            _keep(self.notes.setdefault(r.check, []), r.notes)
        return [v for r in results for v in r.violations]

    @property
    def exhausted(self) -> bool:
        """There were searches, each has executed its whole space, and none was left out for lack of time."""
        return bool(self.searches) and all(s.exhausted for s in self.searches) and not self.out_of_time

    @property
    def covered(self) -> Covered | None:
        """How far the searches went inside functions; None when none did."""
        return self.covered_so_far if any(s.inside for s in self.searches) else None

    @property
    def covered_so_far(self) -> Covered:
        """The same while the first of them is still under way."""
        steps = self.coverage.ordered
        index = {step: i for i, step in enumerate(steps)}
        return Covered(
            points=self.coverage.points,
            pairs=len(self.coverage.pairs),
            possible=self.coverage.possible,
            alone=tuple(f"{worker}.{step}" for worker, step in self.coverage.never_overlapped),
            opaque=self.opaque,
            pruned=int(sum(s.facts.get("pruned", 0) for s in self.searches)),
            steps=tuple((worker, step, self.labels.get(step, step)) for worker, step in steps),
            before=tuple(sorted((index[a], index[b], n) for (a, b), n in self.coverage.pairs.items())),
        )

    @property
    def seen(self) -> set[str]:
        """Names of the checks that were violated."""
        return {check for check, found in self.violations.items() if found}

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """Per check, how much was examined and what was found first."""
        return tuple(
            CheckResult(check=c, examined=n, violations=tuple(self.violations[c]), notes=tuple(self.notes[c]))
            for c, n in self.examined.items()
        )


def _keep(kept: list[Violation], found: tuple[Violation, ...]) -> None:
    """Memory must not grow with the number of schedules: the first few tell the story."""
    kept.extend(found[: max(0, KEEP - len(kept))])
