"""A picture of which orders of points were seen: a heat map per pair of workers, points down and points across.

One map shows both orders of two points: how often the row's came first and, by what is missing from all, how often the
column's did. What was never seen has a mark as well as no colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model import Covered, ScenarioResult
from harness.report.order_grid import MOST_PAIRS, MOST_POINTS, OrderGrid, order_grids
from harness.report.palette import BLUES, INK, MUTED, PALE, RULE, VERMILION
from harness.report.sheet import Box, Mark, Shape, Sheet, Shown, Words
from harness.report.text import one_line
from harness.report.words import plural

_CELL, _CHARACTER, _MARK = 0.4, 0.078, 0.1
"""A cell's side; the width of a character of a label; a mark's."""
_GAP, _HEAD, _FOOT, _NAME = 0.35, 1.0, 0.95, 0.45
_MARGIN, _MIN_WIDTH = 0.25, 9.5
_EDGE, _PAD = 0.015, 0.06
"""The white between cells and the line around a map; between a label and the map."""
_ABOVE, _BESIDE = 3, 13
"""Up to so many maps stand one above the other; more in twos, where they have at most so many columns."""
_SAID = "of the executions with both: the row's point first in few … in most (the number: in so many)"
_MARKED = (
    ((0, 1), "never first"), ((1, 0), "always first: the column's never"), ((0, 0), "never both in one execution"),
)  # fmt: skip


def coverage_picture(result: ScenarioResult) -> Sheet | None:
    """None where nothing inside functions was searched, or no two workers' points ever met. Equal results give equal
    pictures."""
    covered = result.covered
    if covered is None or not covered.before:
        return None
    grids = order_grids(covered)
    across = 2 if len(grids) > _ABOVE and all(len(g.columns) <= _BESIDE for g in grids) else 1
    lines = [grids[i : i + across] for i in range(0, len(grids), across)]
    width = max(_MIN_WIDTH, *(_MARGIN + sum(map(_across, line)) for line in lines))
    shown: list[Shown] = [*_words(result, covered, grids)]
    top = _HEAD
    for line in lines:
        left = _MARGIN
        for grid in line:
            shown += _map(grid, left, top)
            left += _across(grid)
        top += max(_labels(g)[1] + _CELL * len(g.rows) + _GAP for g in line)
    shown += _key(top)
    return Sheet(size=(width, top + _FOOT), shown=tuple(shown))


def _labels(grid: OrderGrid) -> tuple[float, float]:
    """The room that labels take: left of the map, and above it."""
    longest = max(map(len, grid.rows)), max(map(len, grid.columns))
    return 0.15 + _CHARACTER * max(longest[0], 12), 0.15 + _CHARACTER * longest[1] + _NAME


def _across(grid: OrderGrid) -> float:
    return _labels(grid)[0] + _CELL * len(grid.columns) + _GAP


def _words(result: ScenarioResult, covered: Covered, grids: Sequence[OrderGrid]) -> Iterator[Words]:
    title = f"{one_line(result.name, 50)} · how often the row's point came before the column's"
    yield Words(x=_MARGIN, y=0.3, text=title, size=12.5, bold=True)
    seen = f"{covered.pairs:,} of {covered.possible:,} ordered pairs seen in {plural(result.schedules, 'schedule')}"
    rest = "searched to the end: the others cannot happen, or make no difference" if result.exhausted else (
        "not searched to the end: the others may be possible"
    )  # fmt: skip
    yield Words(x=_MARGIN, y=0.6, text=f"{seen} · {rest}", size=9.5, color=MUTED)
    notes = [f"of a worker the first {MOST_POINTS} points"] if any(g.cut for g in grids) else []
    workers = len({worker for worker, _, _ in covered.steps})
    if len(grids) < workers * (workers - 1) // 2:
        notes.append(f"of {workers} workers the {MOST_PAIRS} pairs in which most was not seen")
    if notes:
        yield Words(x=_MARGIN, y=0.85, text=f"shown: {'; '.join(notes)}", size=9.5)


def _map(grid: OrderGrid, left: float, top: float) -> Iterator[Shown]:
    beside, above = _labels(grid)
    x, y = left + beside, top + above
    across, down = _CELL * len(grid.columns), _CELL * len(grid.rows)
    yield Box(x=x - _EDGE, y=y - _EDGE, width=across + 2 * _EDGE, height=down + 2 * _EDGE, fill=RULE)
    for i, label in enumerate(grid.rows):
        yield Words(x=x - _PAD, y=y + (i + 0.5) * _CELL, text=label, size=9, anchor="rm")
    for j, label in enumerate(grid.columns):
        yield Words(x=x + (j + 0.5) * _CELL, y=y - _PAD, text=label, size=9, upright=True)
    for i in range(len(grid.rows)):
        for j in range(len(grid.columns)):
            first, last = grid.first[i][j], grid.last[i][j]
            yield from _cell(x + j * _CELL, y + i * _CELL, first, last)
            if first:
                text = f"{first:,}" if first < 1000 else f"{first / 1000:.3g}k"
                color = "white" if _level(first, last) >= 3 else INK
                middle = (x + (j + 0.5) * _CELL, y + (i + 0.5) * _CELL)
                yield Words(x=middle[0], y=middle[1], text=text, size=8.5, color=color, anchor="mm")
    yield Words(x=x - 0.08, y=y - 0.1, text=f"{grid.row} ↓", size=10.5, bold=True, anchor="rd")
    yield Words(x=x, y=top + 0.12, text=f"{grid.column} →", size=10.5, bold=True)


def _cell(x: float, y: float, first: int, last: int) -> Iterator[Shown]:
    """A square shaded by how often the row came first and last, with a mark where it never or always did."""
    shade = BLUES[_level(first, last)] if first else "white" if last else PALE
    yield Box(x=x, y=y, width=_CELL, height=_CELL, fill="white")
    yield Box(x=x + _EDGE / 2, y=y + _EDGE / 2, width=_CELL - _EDGE, height=_CELL - _EDGE, fill=shade)
    if first and not last:
        inset = 0.06 * _CELL
        yield Mark(shape=Shape.CORNER, x=x + inset, y=y + inset, size=0.3 * _CELL, color="white")
    elif not first:
        shape, color = (Shape.CROSS, VERMILION) if last else (Shape.DASH, MUTED)
        yield Mark(shape=shape, x=x + _CELL / 2, y=y + _CELL / 2, size=_MARK, color=color)


def _level(first: int, last: int) -> int:
    return min(int(first / (first + last) * len(BLUES)), len(BLUES) - 1)


def _key(top: float) -> Iterator[Shown]:
    """What colours and marks mean, at the lower edge."""
    shades = [(1, 9), (3, 9), (4, 5), (6, 5), (8, 3), (9, 1)]
    for n, pair in enumerate(shades):
        yield from _cell(_MARGIN + n * _CELL, top, *pair)
    yield Words(x=_MARGIN + (len(shades) + 0.3) * _CELL, y=top + _CELL / 2, text=_SAID, size=9)
    left = _MARGIN
    for pair, words in _MARKED:
        yield from _cell(left, top + _CELL, *pair)
        yield Words(x=left + 1.3 * _CELL, y=top + 1.5 * _CELL, text=words, size=9)
        left += (2.2 + 0.195 * len(words)) * _CELL
