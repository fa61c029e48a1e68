"""A picture of the fault matrix: points down, faults across."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.model import FaultMatrix
from harness.report.canvas import png
from harness.report.fault_grid import GridRow, grid_rows, headings
from harness.report.strip import INK
from harness.report.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart by all common kinds of colour vision; the marks in the cells differ as well.
_COLOURS = {False: "#d5efe6", True: "#f6cdb0", None: "#f2f4f7"}
_ROW_IN, _COLUMN_IN, _LABEL_IN, _LEFT_IN, _HEAD_IN = 0.27, 0.95, 5.0, 3.2, 0.9
MOST_ROWS = 150
"""More points than these are left out of the picture, and it says so."""


def fault_png(matrix: FaultMatrix, name: str, path: Path | None = None) -> bytes:
    """The picture as PNG bytes, also written to ``path`` when one is given. Equal matrices give equal bytes."""
    rows = grid_rows(matrix)
    width = _LABEL_IN + _COLUMN_IN * len(matrix.faults) + _LEFT_IN
    height = _HEAD_IN + _ROW_IN * (min(len(rows), MOST_ROWS) + 1)

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.axis("off")
        more = len(rows) - MOST_ROWS
        title = f"faults of {one_line(name, 60)}" + (f" (the first {MOST_ROWS} of {len(rows)} points)" * (more > 0))
        axes.text(0.15, 0.3, title, size=11, weight="bold", color=INK, va="center", parse_math=False)
        for i, heading in enumerate(headings(matrix)):
            x = _LABEL_IN + _COLUMN_IN * (i + 0.5)
            two_lines = heading.replace(" ", "\n")
            axes.text(x, 0.7, two_lines, ha="center", va="center", color=INK, weight="bold", parse_math=False)
        x = _LABEL_IN + _COLUMN_IN * len(matrix.faults) + 0.15
        axes.text(x, 0.7, "ledger after the retry", va="center", color=INK, weight="bold", parse_math=False)
        for number, row in enumerate(rows[:MOST_ROWS]):
            _draw(axes, row, _HEAD_IN + _ROW_IN * number, x)

    picture = png((width, height), draw, font_size=8)
    if path is not None:
        path.write_bytes(picture)
    return picture


def _draw(axes: Axes, row: GridRow, top: float, left_x: float) -> None:
    middle = top + _ROW_IN / 2
    axes.text(0.15, middle, f"{row.worker}  {row.site}"[:78], va="center", color=INK, parse_math=False)
    for i, (text, red) in enumerate(row.cells):
        x = _LABEL_IN + _COLUMN_IN * i
        sides = [x + 0.02, x + _COLUMN_IN - 0.02]
        axes.fill_between(sides, top + 0.02, top + _ROW_IN - 0.02, color=_COLOURS[red], lw=0)
        weight = "bold" if red else "normal"
        axes.text(
            x + _COLUMN_IN / 2, middle, text, ha="center", va="center", color=INK, weight=weight, parse_math=False
        )
    axes.text(left_x, middle, row.left[:52], va="center", color=INK, parse_math=False)
