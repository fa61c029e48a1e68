"""A picture of which orders of points were seen: a heat map per pair of workers, points down and points across.

One map shows both orders of two points: how often the row's came first and, by what is missing from all, how often the
column's did. What was never seen has a mark as well as no colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.model import Covered, ScenarioResult
from harness.report.canvas import Picture
from harness.report.order_grid import MOST_PAIRS, MOST_POINTS, OrderGrid, order_grids
from harness.report.palette import BLUES, INK, MUTED, PALE, RULE, VERMILION
from harness.report.text import one_line
from harness.report.words import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL, _CHARACTER = 0.4, 0.078
"""A cell's side; the width of a character of a label."""
_GAP, _HEAD, _FOOT, _NAME = 0.35, 1.0, 0.95, 0.45
_MIN_WIDTH = 9.5
_ABOVE, _BESIDE = 3, 13
"""Up to so many maps stand one above the other; more in twos, where they have at most so many columns."""
_SAID = "of the executions with both: the row's point first in few … in most (the number: in so many)"
_MARKED = (
    ((0, 1), "never first"), ((1, 0), "always first: the column's never"), ((0, 0), "never both in one execution"),
)  # fmt: skip


def coverage_picture(result: ScenarioResult) -> Picture | None:
    """None where nothing inside functions was searched, or no two workers' points ever met. Equal results give equal
    pictures."""
    covered = result.covered
    if covered is None or not covered.before:
        return None
    grids = order_grids(covered)
    across = 2 if len(grids) > _ABOVE and all(len(g.columns) <= _BESIDE for g in grids) else 1
    lines = [grids[i : i + across] for i in range(0, len(grids), across)]
    width = max(_MIN_WIDTH, *(0.25 + sum(map(_across, line)) for line in lines))
    heights = [max(_labels(g)[1] + _CELL * len(g.rows) + _GAP for g in line) for line in lines]
    height = _HEAD + sum(heights) + _FOOT

    def draw(figure: Figure) -> None:
        _words(figure, result, covered, grids)
        top = height - _HEAD
        for line, high in zip(lines, heights, strict=True):
            left = 0.25
            for grid in line:
                _map(figure, grid, left, top)
                left += _across(grid)
            top -= high
        _key(figure)

    return Picture(size=(width, height), draw=draw)


def _labels(grid: OrderGrid) -> tuple[float, float]:
    """The room that labels take: left of the map, and above it."""
    longest = max(map(len, grid.rows)), max(map(len, grid.columns))
    return 0.15 + _CHARACTER * max(longest[0], 12), 0.15 + _CHARACTER * longest[1] + _NAME


def _across(grid: OrderGrid) -> float:
    return _labels(grid)[0] + _CELL * len(grid.columns) + _GAP


def _words(figure: Figure, result: ScenarioResult, covered: Covered, grids: Sequence[OrderGrid]) -> None:
    width, height = figure.get_size_inches()
    title = f"{one_line(result.name, 50)} · how often the row's point came before the column's"
    figure.text(0.25 / width, 1 - 0.3 / height, title, size=12.5, weight="bold", color=INK, va="center")
    seen = f"{covered.pairs:,} of {covered.possible:,} ordered pairs seen in {plural(result.schedules, 'schedule')}"
    rest = "searched to the end: the others cannot happen, or make no difference" if result.exhausted else (
        "not searched to the end: the others may be possible"
    )  # fmt: skip
    figure.text(0.25 / width, 1 - 0.6 / height, f"{seen} · {rest}", size=9.5, color=MUTED, va="center")
    notes = [f"of a worker the first {MOST_POINTS} points"] if any(g.cut for g in grids) else []
    workers = len({worker for worker, _, _ in covered.steps})
    if len(grids) < workers * (workers - 1) // 2:
        notes.append(f"of {workers} workers the {MOST_PAIRS} pairs in which most was not seen")
    if notes:
        figure.text(0.25 / width, 1 - 0.85 / height, f"shown: {'; '.join(notes)}", size=9.5, color=INK, va="center")


def _map(figure: Figure, grid: OrderGrid, left: float, top: float) -> None:
    width, height = figure.get_size_inches()
    beside, above = _labels(grid)
    across, down = len(grid.columns), len(grid.rows)
    x, y = (left + beside) / width, (top - above - _CELL * down) / height
    axes = figure.add_axes((x, y, _CELL * across / width, _CELL * down / height), label=f"{grid.row} × {grid.column}")
    axes.set_xlim(0, across)
    axes.set_ylim(down, 0)
    axes.set_yticks([i + 0.5 for i in range(down)], grid.rows, size=9)
    axes.set_xticks([j + 0.5 for j in range(across)], grid.columns, size=9, rotation=90)
    axes.tick_params(length=0, labeltop=True, labelbottom=False, labelcolor=INK, pad=3)
    for spine in axes.spines.values():
        spine.set_color(RULE)
    cells = [(i, j, grid.first[i][j], grid.last[i][j]) for i in range(down) for j in range(across)]
    _cells(axes, cells)
    for i, j, first, last in cells:
        if first:
            text = f"{first:,}" if first < 1000 else f"{first / 1000:.3g}k"
            color = "white" if _level(first, last) >= 3 else INK
            axes.text(j + 0.5, i + 0.53, text, ha="center", va="center", color=color, size=8.5)
    figure.text(x - 0.08 / width, y + (_CELL * down + 0.1) / height, f"{grid.row} ↓", weight="bold", color=INK,
                ha="right", va="bottom", size=10.5)  # fmt: skip
    figure.text(x, (top - 0.12) / height, f"{grid.column} →", weight="bold", color=INK, va="center", size=10.5)


def _cells(axes: Axes, cells: Sequence[tuple[float, float, int, int]]) -> None:
    """Squares at (row, column), shaded by how often the row came first and last, with marks where it never or always
    did. Collections, as a patch per cell takes seconds."""
    from matplotlib.collections import PolyCollection

    squares = [[(j, i), (j + 1, i), (j + 1, i + 1), (j, i + 1)] for i, j, _, _ in cells]
    shades = [BLUES[_level(f, n)] if f else "white" if n else PALE for _, _, f, n in cells]
    axes.add_collection(PolyCollection(squares, facecolors=shades, edgecolors="white", linewidths=1, gid="cells"))
    always = [[(j + 0.06, i + 0.06), (j + 0.36, i + 0.06), (j + 0.06, i + 0.36)] for i, j, f, n in cells if f and not n]
    axes.add_collection(PolyCollection(always, facecolors="white", gid="always"))
    for gid, marker, color, here in (
        ("never", "x", VERMILION, [(i, j) for i, j, f, n in cells if n and not f]),
        ("apart", "_", MUTED, [(i, j) for i, j, f, n in cells if not f and not n]),
    ):
        x, y = [j + 0.5 for _, j in here], [i + 0.5 for i, _ in here]
        axes.plot(x, y, linestyle="none", marker=marker, ms=7, mew=1.7 if marker == "x" else 1, color=color, gid=gid)


def _level(first: int, last: int) -> int:
    return min(int(first / (first + last) * len(BLUES)), len(BLUES) - 1)


def _key(figure: Figure) -> None:
    """What colours and marks mean, at the lower edge."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((0.25 / width, 0.12 / height, 1 - 0.5 / width, (_FOOT - 0.15) / height), label="key")
    axes.set_xlim(0, (width - 0.5) / _CELL)
    axes.set_ylim((_FOOT - 0.15) / _CELL, 0)
    axes.axis("off")
    cells = [(0.0, float(n), *pair) for n, pair in enumerate([(1, 9), (3, 9), (4, 5), (6, 5), (8, 3), (9, 1)])]
    axes.text(len(cells) + 0.3, 0.5, _SAID, va="center", size=9, color=INK)
    left = 0.0
    for pair, words in _MARKED:
        cells.append((1.0, left, *pair))
        axes.text(left + 1.3, 1.5, words, va="center", size=9, color=INK)
        left += 2.2 + 0.195 * len(words)
    _cells(axes, cells)
