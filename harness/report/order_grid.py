"""Which points were seen in which order, pair of workers by pair of workers: what the picture of coverage draws."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from harness.model import Covered
from harness.report.text import one_line

MOST_POINTS = 30
"""Of one worker: more would be too small to be read."""
MOST_PAIRS = 6
"""Of workers: all of up to four."""
ROW_LIMIT, COLUMN_LIMIT = 58, 30
"""Characters of a label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderGrid:
    """The points of worker ``row`` against those of ``column``. ``first[i][j]``: in how many executions row i's came
    before column j's; ``last[i][j]``: after it. ``points``: of both workers, however few of them are here."""

    row: str
    column: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    first: tuple[tuple[int, ...], ...]
    last: tuple[tuple[int, ...], ...]
    points: tuple[int, int]

    @property
    def unseen(self) -> int:
        """Ordered pairs of points that were never seen, of those that met in an execution."""
        cells = [(f, n) for fs, ns in zip(self.first, self.last, strict=True) for f, n in zip(fs, ns, strict=True)]
        return sum((f == 0) != (n == 0) for f, n in cells)

    @property
    def cut(self) -> bool:
        """Whether points are left out."""
        return self.points != (len(self.rows), len(self.columns))


def order_grids(covered: Covered) -> tuple[OrderGrid, ...]:
    """One per pair of workers, in their order. Of more than `MOST_PAIRS` those in which most was not seen."""
    points: dict[str, list[int]] = {}
    for i, (worker, _, _) in enumerate(covered.steps):
        points.setdefault(worker, []).append(i)
    counts = {(i, j): n for i, j, n in covered.before}
    grids = [_grid(covered, a, b, points, counts) for a, b in combinations(points, 2)]
    ranked = sorted(range(len(grids)), key=lambda n: -grids[n].unseen)
    return tuple(grids[n] for n in sorted(ranked[:MOST_PAIRS]))


def _grid(
    covered: Covered, a: str, b: str, points: dict[str, list[int]], counts: dict[tuple[int, int], int]
) -> OrderGrid:
    rows, columns = points[a][:MOST_POINTS], points[b][:MOST_POINTS]
    return OrderGrid(
        row=one_line(a, 40),
        column=one_line(b, 40),
        rows=tuple(_row(*covered.steps[i][1:]) for i in rows),
        columns=tuple(one_line(covered.steps[j][1], COLUMN_LIMIT) for j in columns),
        first=tuple(tuple(counts.get((i, j), 0) for j in columns) for i in rows),
        last=tuple(tuple(counts.get((j, i), 0) for j in columns) for i in rows),
        points=(len(points[a]), len(points[b])),
    )


def _row(step: str, label: str) -> str:
    # It stands right under its statement, whose name need not be said again.
    return "    … its snapshot taken" if step.endswith("~") else one_line(label, ROW_LIMIT)
