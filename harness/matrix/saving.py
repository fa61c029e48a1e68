"""A red cell on disk: its schedule, to be replayed exactly, and its history."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.model import Execution, Scenario, Violation
from harness.saving import save_history
from harness.schedule import SavedSchedule, encode


def save_cell(
    folder: Path | None,
    scenario: Scenario,
    server: str,
    worker: str,
    position: int,
    fault: str,
    execution: Execution,
    violations: Sequence[Violation],
) -> str:
    """Write ``NAME-WORKER-POSITION-FAULT.schedule`` and the history beside it; the schedule's path ("" without a
    folder)."""
    if folder is None:
        return ""
    path = folder / f"{scenario.name}-{worker}-{position}-{fault}.schedule"
    saved = SavedSchedule(
        scenario=scenario.name,
        file=scenario.file,
        hash=scenario.text_hash,
        server=server,
        order=0,
        checks=tuple(dict.fromkeys(v.check for v in violations)),
        schedule=execution.schedule,
        retry=worker,
    )
    path.write_text(encode(saved), encoding="utf-8")
    save_history(path.with_suffix(".history.jsonl"), execution)
    return str(path)
