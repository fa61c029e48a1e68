"""A comparison of two runs for programs. Version 1 may gain keys; none is renamed or removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.files import write_json
from harness.report.compare import Change, Comparison
from harness.report.results_read import ReadRun, ReadScenario

VERSION = 1


def comparison_json(found: Comparison) -> dict[str, Any]:
    """The comparison as plain JSON values; ``change`` is what `harness.report.compare.Kind` says."""
    return {
        "version": VERSION,
        "worse": found.worse,
        "trouble": found.trouble,
        "not_alike": list(found.conditions),
        "old": _run(found.old),
        "new": _run(found.new),
        "scenarios": [_change(change) for change in found.changes],
    }


def write_comparison(found: Comparison, path: Path) -> None:
    """Write it to ``path`` in one step. Raises `SaveError`."""
    write_json(path, comparison_json(found))


def _run(run: ReadRun) -> dict[str, Any]:
    return {
        "verdict": run.verdict.value,
        "seed": run.seed,
        "server_version": run.server_version,
        "elapsed_s": run.elapsed_s,
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "name": change.name,
        "change": change.kind.value,
        "checks": {"new": list(change.came), "gone": list(change.went)},
        "old": _scenario(change.old),
        "new": _scenario(change.new),
    }


def _scenario(scenario: ReadScenario | None) -> dict[str, Any] | None:
    if scenario is None:
        return None
    pairs = scenario.ordered_pairs
    return {
        "verdict": scenario.verdict.value,
        "observed": scenario.observed.value,
        "strategy": scenario.strategy,
        "schedules": scenario.schedules,
        "exhausted": scenario.exhausted,
        "points": scenario.points,
        "ordered_pairs": None if pairs is None else {"seen": pairs.seen, "possible": pairs.possible},
        "elapsed_s": scenario.elapsed_s,
    }
