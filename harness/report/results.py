"""`results.json`: the promise to other programs. Version 1 may gain keys; none is renamed or removed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from harness.files import write_json
from harness.model import Counterexample, Json, RunResult, ScenarioResult, Violation
from harness.report.cases import cases_json
from harness.report.fault_json import fault_json
from harness.report.level_json import level_json
from harness.report.reasons import reason_lines

VERSION = 1
SCHEMA_FILE = Path(__file__).with_name("results.schema.json")
"""The JSON Schema of version 1. What is not in it may come; what is in it stays."""


def results_json(run: RunResult) -> dict[str, Any]:
    """The run as plain JSON values. Equal runs give equal values, but for the keys that end in `_s` or begin with
    `seconds_`; those are seconds, rounded to milliseconds."""
    return {
        "version": VERSION,
        "verdict": run.verdict.value,
        "seed": run.seed,
        "server_version": run.server_version,
        "elapsed_s": _seconds(run.elapsed_s),
        "scenarios": [_scenario(result) for result in run.scenarios],
        **({"trouble": run.trouble} if run.trouble else {}),
        **({"warnings": list(run.warnings)} if run.warnings else {}),
    }


def write_results(run: RunResult, path: Path) -> None:
    """Write `results.json` to `path`: a reader sees the whole file or the one before it, never a part."""
    write_json(path, results_json(run))


def _scenario(result: ScenarioResult) -> dict[str, Any]:
    first = result.seconds_to_first_violation
    return {
        "name": result.name,
        "file": result.file,
        "verdict": result.verdict.value,
        "observed": result.observed.value,
        "expect": list(result.expect),
        "strategy": result.strategy,
        "schedules": result.schedules,
        "exhausted": result.exhausted,
        "meaning": result.meaning,
        "elapsed_s": _seconds(result.elapsed_s),
        "schedules_to_first_violation": result.schedules_to_first_violation,
        "seconds_to_first_violation": None if first is None else _seconds(first),
        "violations": [_violation(e, violation) for e in result.counterexamples for violation in e.violations],
        **_inside(result),
        **({"faults": fault_json(result.faults)} if result.faults is not None else {}),
        **({"isolation": [level_json(row) for row in result.levels]} if result.levels else {}),
        **({"cases": cases_json(result.cases)} if result.cases else {}),
        "notes": [_note(note) for check in result.checks for note in check.notes[:1]],
    }


def _inside(result: ScenarioResult) -> dict[str, Any]:
    """How far the points inside functions were covered; nothing where none was used."""
    covered = result.covered
    if covered is None:
        return {}
    return {
        "broken_serially": result.serially,
        "points": covered.points,
        "ordered_pairs": {"seen": covered.pairs, "possible": covered.possible},
        "never_overlapped": list(covered.alone),
        "opaque": [{"function": o.function, "reason": o.reason} for o in covered.opaque],
        "pruned": covered.pruned,
    }


def _violation(example: Counterexample, violation: Violation) -> dict[str, Any]:
    return {
        "check": violation.check,
        "message": violation.message,
        "witness": [_plain(dict(row)) for row in violation.witness],
        "replay": example.replay,
        "reasons": list(reason_lines(example)),
    }


def _note(note: Violation) -> dict[str, Any]:
    """A finding of the weaker kind: never red."""
    return {"check": note.check, "message": note.message, "witness": [_plain(dict(row)) for row in note.witness]}


def _seconds(value: float) -> float:
    return round(value, 3)


def _plain(value: Json) -> Json:
    """`value` with whatever JSON cannot hold (NaN, a date, a Decimal) as text; exact numbers stay as they are."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)
