"""A picture of the fault matrix: points down, faults across."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from harness.model import FaultMatrix
from harness.report.canvas import Picture
from harness.report.fault_grid import HELD, NOTHING, VIOLATED, GridRow, grid_rows, headings
from harness.report.palette import GREEN_TINT, INK, MUTED, PALE, RED, RULE
from harness.report.text import one_line
from harness.report.words import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW, _COLUMN, _MARGIN, _CHARACTER = 0.3, 0.56, 0.25, 0.083
"""Inches; the last is a character's width."""
_HEAD, _HEADINGS, _FOOT = 0.75, 1.35, 0.5
_MIN_WIDTH = 8.0
_TINTS = {False: GREEN_TINT, True: RED, None: PALE}
MOST_ROWS = 150
"""More points than these are left out of the picture, and it says so."""
_KEY = (
    (False, HELD, "struck, retried, nothing violated"), (True, f"{VIOLATED} n", "n violations"),
    (None, NOTHING, "nothing to strike"),
)  # fmt: skip


def fault_picture(matrix: FaultMatrix, name: str) -> Picture | None:
    """None of a matrix without a cell. Equal matrices give equal pictures."""
    rows = grid_rows(matrix)
    if not rows:
        return None
    shown = rows[:MOST_ROWS]
    parts = [(worker, tuple(mine)) for worker, mine in groupby(shown, key=lambda row: row.worker)]
    label = _MARGIN + 0.3 + _CHARACTER * max(*(len(row.site) for row in shown), *(len(w) for w, _ in parts))
    after = label + _COLUMN * len(matrix.faults)
    width = max(_MIN_WIDTH, after + 0.4 + _CHARACTER * max(22, *(len(row.left) for row in shown)))
    height = _HEAD + _HEADINGS + _ROW * (len(shown) + len(parts)) + _FOOT

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.axis("off")
        more = f" (the first {MOST_ROWS} of {len(rows)} points)" if len(rows) > MOST_ROWS else ""
        title = f"{one_line(name, 60)} · faults{more}"
        axes.text(_MARGIN, 0.3, title, size=12.5, weight="bold", color=INK, va="center")
        axes.text(_MARGIN, 0.58, _sum(rows, matrix), size=9.5, color=MUTED, va="center")
        top = _HEAD + _HEADINGS
        for i, heading in enumerate(headings(matrix)):
            axes.text(
                label + _COLUMN * (i + 0.5), top - 0.08, one_line(heading, 40), rotation=45, rotation_mode="anchor",
                ha="left", va="bottom", color=INK,
            )  # fmt: skip
        axes.text(after + 0.6, top - 0.08, "ledger after the retry", va="bottom", color=INK, weight="bold")
        for worker, mine in parts:
            axes.text(_MARGIN, top + _ROW / 2, worker, va="center", color=INK, weight="bold")
            axes.plot([_MARGIN, width - _MARGIN], [top, top], color=RULE, lw=0.8)
            _rows(axes, mine, top + _ROW, label, after)
            top += _ROW * (len(mine) + 1)
        _key(axes, top + 0.3)

    return Picture(size=(width, height), draw=draw)


def _sum(rows: Sequence[GridRow], matrix: FaultMatrix) -> str:
    marks = [red for row in rows for _, red in row.cells]
    struck, broken = sum(red is not None for red in marks), sum(red is True for red in marks)
    said = f"{plural(struck, 'strike')} at {plural(len(rows), 'point')}: "
    said += f"a violation after {broken:,}" if broken else "nothing violated"
    return said if matrix.complete else f"{said}; time was up before the last"


def _rows(axes: Axes, rows: Sequence[GridRow], top: float, label: float, after: float) -> None:
    for number, row in enumerate(rows):
        middle = top + _ROW * (number + 0.5)
        axes.text(_MARGIN + 0.15, middle, row.site, va="center", color=INK)
        for i, (text, red) in enumerate(row.cells):
            _cell(axes, label + _COLUMN * (i + 0.5), middle, text, red)
        axes.text(after + 0.15, middle, row.left, va="center", color=INK)


def _cell(axes: Axes, x: float, y: float, text: str, red: bool | None) -> None:
    from matplotlib.patches import Rectangle

    size = _COLUMN - 0.04, _ROW - 0.04
    axes.add_patch(Rectangle((x - size[0] / 2, y - size[1] / 2), *size, facecolor=_TINTS[red], lw=0))
    color, weight = ("white", "bold") if red else (MUTED if red is None else INK, "normal")
    axes.text(x, y, text, ha="center", va="center", color=color, weight=weight)


def _key(axes: Axes, y: float) -> None:
    x = _MARGIN + _COLUMN / 2
    for red, text, words in _KEY:
        _cell(axes, x, y, text, red)
        axes.text(x + _COLUMN / 2 + 0.1, y, words, va="center", color=INK)
        x += _COLUMN + 0.45 + _CHARACTER * len(words)
