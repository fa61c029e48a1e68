"""What a campaign has seen so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.model import CheckResult, Counterexample, Execution, Violation

KEEP = 5


@dataclass(slots=True)
class Tally:
    """Counts and keepsakes of one campaign. ``searches``: (strategy, executed, exhausted) of each search.
    ``first_violation``: (schedules executed by then, seconds)."""

    executed: int = 0
    orders: int = 0
    searches: list[tuple[str, int, bool]] = field(default_factory=list)
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
        return bool(self.searches) and all(done for _, _, done in self.searches) and not self.out_of_time

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
