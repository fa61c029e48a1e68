"""What a campaign wants to know of an execution, wherever it took place."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.checks import judge
from harness.checks.protocol import Context
from harness.checks.vacuity import changed, overlapped
from harness.model import CheckResult, Decision, Execution
from harness.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One execution's choices and what the checks said. ``overlapped``, ``changed``: see `harness.checks.vacuity`.
    ``execution``: None where nobody is going to look at its history."""

    decisions: tuple[Decision, ...]
    results: tuple[CheckResult, ...]
    overlapped: bool
    changed: bool
    execution: Execution | None

    @property
    def violated(self) -> bool:
        return any(r.violations for r in self.results)

    @property
    def told(self) -> bool:
        """Some check has something to show."""
        return any(r.violations or r.notes for r in self.results)

    def numbered(self, number: int) -> Judged:
        """As execution number ``number`` of its campaign."""
        return self if self.execution is None else replace(self, execution=replace(self.execution, number=number))


def judged(context: Context, stage: Stage) -> Judged:
    """Judge the execution that ``stage`` has just done."""
    return Judged(
        decisions=context.execution.schedule.decisions,
        results=judge(context),
        overlapped=overlapped(context, stage.touches),
        changed=changed(context),
        execution=context.execution,
    )
