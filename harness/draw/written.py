"""A failing case on disk: a scenario file that says the same, and the schedule that `harness replay` carries out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.draw.case import Case
from harness.errors import HarnessError
from harness.model import Execution, Moment, Violation
from harness.saving import save_counterexample
from harness.scenario import load_scenario


def write_case(
    case: Case,
    folder: Path,
    name: str,
    server: str,
    execution: Execution,
    violations: Sequence[Violation],
    moments: Sequence[Moment],
) -> str:
    """Write ``NAME.yaml`` and ``NAME-1.schedule`` into ``folder``; the schedule's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(case.system.text(path, case.entries(), case.setup, name), encoding="utf-8")
    scenario = load_scenario(path)
    if scenario.workers != case.written.workers:
        raise HarnessError(f"{path} does not say what was drawn: {case!r}")
    retry = case.aim.retry if case.aim is not None else ""
    return save_counterexample(folder, scenario, server, 0, execution, violations, 1, retry=retry, moments=moments)
