"""The key `faults` of a scenario in `results.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.model import DrawnFaults, FaultCell, FaultMatrix


def fault_json(matrix: FaultMatrix) -> dict[str, Any]:
    """The matrix as plain JSON values; ``fired`` counts by fault the executions whose events show that it struck."""
    return {
        "names": list(matrix.faults),
        "complete": matrix.complete,
        "fired": {name: sum(c.fired for c in matrix.cells if c.fault == name) for name in matrix.faults},
        "cells": [_cell(cell, matrix) for cell in matrix.cells],
        **({"drawn": _drawn(matrix.drawn, matrix.faults)} if matrix.drawn is not None else {}),
    }


def _drawn(drawn: DrawnFaults, names: Sequence[str]) -> dict[str, Any]:
    return {
        "executed": drawn.executed,
        "fired": {name: drawn.fired.get(name, 0) for name in names},
        "places": [
            {"worker": worker, "site": step, "fault": fault, "fired": n}
            for (worker, step, fault), n in drawn.struck.items()
        ],
        "checks": dict(drawn.checks),
        "replay": drawn.replay,
        "searched": drawn.searched,
        "exhausted": drawn.exhausted,
    }


def _cell(cell: FaultCell, matrix: FaultMatrix) -> dict[str, Any]:
    return {
        "worker": cell.worker,
        "position": cell.position,
        "site": cell.step,
        "label": matrix.labels.get(cell.step, cell.step),
        "fault": cell.fault,
        "outcome": cell.outcome.value,
        "fired": cell.fired,
        "checks": dict(cell.checks),
        "message": cell.message,
        "after_retry": {column: [_plain(v) for v in values] for column, values in cell.left.items()},
        "replay": cell.replay,
    }


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | bool) else str(value)
