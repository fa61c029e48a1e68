"""The fault matrix as rows and columns of short texts: what terminal and picture both show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model import CRASHES, FAULTS, FaultCell, FaultMatrix, FaultOutcome
from harness.report.text import one_line

HELD, VIOLATED, NOTHING = "✓", "✗", "–"
LABEL_LIMIT = 72
TITLES = {name: name.replace("_", " ") for name in (*FAULTS, *CRASHES)}
"""Names of faults as headings, where they differ."""
BEHIND = "after its last answer"
"""Of a point behind a worker's last step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRow:
    """One point of one worker. ``cells``: per fault a text, and whether it is red (None: nothing was struck).
    ``left``: what the ledger says after the retry, each different value of a column once."""

    worker: str
    site: str
    cells: tuple[tuple[str, bool | None], ...]
    left: str


def grid_rows(matrix: FaultMatrix) -> tuple[GridRow, ...]:
    """A row per point, in order. Every text is one line of bounded length."""
    points = dict.fromkeys((c.worker, c.position) for c in matrix.cells)
    found = []
    for point in points:
        mine = [c for c in matrix.cells if (c.worker, c.position) == point]
        by_fault = {c.fault: c for c in mine}
        found.append(
            GridRow(
                worker=one_line(mine[0].worker, LABEL_LIMIT),
                site=one_line(_site(mine[0], matrix), LABEL_LIMIT),
                cells=tuple(_shown(by_fault.get(name)) for name in matrix.faults),
                left=_left(mine),
            )
        )
    return tuple(found)


def headings(matrix: FaultMatrix) -> tuple[str, ...]:
    """The faults, in the order of the cells."""
    return tuple(TITLES.get(name, name) for name in matrix.faults)


def _site(cell: FaultCell, matrix: FaultMatrix) -> str:
    if not cell.step:
        return BEHIND
    label = matrix.labels.get(cell.step, "")
    if not label:
        return f"before {cell.step}"
    inside = cell.step.endswith("~")
    return f"inside {label.removesuffix(', between snapshot and scan')}" if inside else f"before {label}"


def _shown(cell: FaultCell | None) -> tuple[str, bool | None]:
    if cell is None or cell.outcome is FaultOutcome.NOTHING:
        return NOTHING, None
    if cell.outcome is FaultOutcome.HELD:
        return HELD, False
    return f"{VIOLATED} {sum(cell.checks.values())}", True


def _left(cells: Sequence[FaultCell]) -> str:
    found: dict[str, dict[str, None]] = {}
    for cell in cells:
        if cell.outcome is not FaultOutcome.NOTHING:
            for column, values in cell.left.items():
                found.setdefault(column, {})["/".join(map(str, values))] = None
    parts = (f"{column} {' or '.join(texts)}" for column, texts in sorted(found.items()))
    return one_line(", ".join(parts), LABEL_LIMIT)
