"""Counterexamples on disk: a schedule to replay and the history as JSON lines. Saved before anything is printed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from harness.files import write_atomically
from harness.model import Event, Execution, Scenario, Violation
from harness.schedule import SavedSchedule, encode


def save_counterexample(
    folder: Path | None,
    scenario: Scenario,
    server: str,
    order: int,
    execution: Execution,
    violations: Sequence[Violation],
    suffix: int | str,
    without: Collection[str] = (),
    retry: str = "",
    isolation: str = "",
    case: str = "",
) -> str:
    """Write ``NAME-SUFFIX.schedule`` and ``NAME-SUFFIX.history.jsonl``; the schedule's path ("" without a folder).
    ``retry``, ``isolation``: as in `SavedSchedule`."""
    if folder is None:
        return ""
    path = folder / f"{scenario.name}-{suffix}.schedule"
    saved = SavedSchedule(
        scenario=scenario.name,
        file=scenario.file,
        hash=scenario.text_hash,
        server=server,
        order=order,
        checks=tuple(dict.fromkeys(v.check for v in violations)),
        schedule=execution.schedule,
        without=tuple(sorted(without)),
        retry=retry,
        isolation=isolation,
        case=case,
    )
    write_atomically(path, encode(saved).encode())
    save_history(path.with_suffix(".history.jsonl"), execution, violations)
    return str(path)


def save_history(path: Path, execution: Execution, violations: Sequence[Violation] = ()) -> None:
    """One event a line, without empty fields; the opening ledger first, the closing one and what was violated last.
    `recorded.read_history` reads it back."""
    history = execution.history
    lines: list[dict[str, Any]] = [{"kind": "opening", "execution": execution.number, "ledger": history.opening}]
    for event in history.events:
        lines.append(_filled(event))
    left = dataclasses.asdict(history.liveness)
    lines.append({"kind": "closing", "ledger": history.closing, **{k: v for k, v in left.items() if v}})
    lines += [{"kind": "violation", **_filled(violation)} for violation in violations]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    write_atomically(path, text.encode())


def _filled(value: Event | Violation) -> dict[str, Any]:
    """The fields that are not empty: those that are have that for their default."""
    fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    empty = {f.name: f.default for f in dataclasses.fields(value) if f.default in (None, "", ())}
    return {k: v for k, v in fields.items() if k not in empty or v != empty[k]}
