"""One strip of a picture: some consecutive turns, the workers' lanes above, the balance beneath. Sizes in inches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.report.boxed import box_text, wrapped
from harness.report.palette import (
    BLACK,
    BLUE,
    BLUISH_GREEN,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PALE,
    PURPLE,
    RED,
    RED_TINT,
    RULE,
    SKY,
    VERMILION,
)
from harness.report.timeline import Timeline, TimelineRow
from harness.report.turns import BlockedSpan, Cell, CellKind

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, RIGHT, HEAD = 1.3, 0.3, 0.8
TURN, LANE, BALANCE = 2.05, 1.08, 1.3
_BOX = 0.91, 0.82
"""A box's share of its turn's width and of its lane's height."""
_TEXT, _PLACE = 9.5, 8.5
"""Sizes in points: of what was done, and of the place where, which is long and has a line to itself."""
_CHARACTER = 0.6
"""A character's width, by its size; they differ, and this is wider than most."""

_EDGES = {
    CellKind.STEP: BLUE,
    CellKind.END: MUTED,
    CellKind.WOKEN: BLUISH_GREEN,
    CellKind.BLOCKED: ORANGE,
    CellKind.FAIL: VERMILION,
    CellKind.UNKNOWN: PURPLE,
    CellKind.CRASH: VERMILION,
}
_TINTS = {
    CellKind.STEP: "#eaf3f9",
    CellKind.END: PALE,
    CellKind.WOKEN: "#e6f5f1",
    CellKind.BLOCKED: "#fdf5e3",
    CellKind.FAIL: "#fbeee4",
    CellKind.UNKNOWN: "#faf0f5",
    CellKind.CRASH: "#fbeee4",
}
_LINES = (BLUE, BLUISH_GREEN, PURPLE, ORANGE, SKY, BLACK)


class Strip:
    """Draws `columns` of the `rows` from index `first` on; x is the index of a row, whichever strip it is in.
    ``labels``: step → what it is in words. ``expected``: owner → the balances that would be right in the end."""

    def __init__(
        self,
        figure: Figure,
        timeline: Timeline,
        rows: Sequence[TimelineRow | None],
        first: int,
        columns: int,
        *,
        labels: Mapping[str, str],
        expected: Mapping[str, tuple[float, ...]],
    ) -> None:
        self._figure, self._timeline, self._rows = figure, timeline, rows
        self._labels, self._expected = labels, expected
        self._width, self._height = figure.get_size_inches()
        self._start, self._end = first - 0.5, first + columns - 0.5
        self._here = list(enumerate(rows))[first : first + columns]
        self._pitch = (self._width - LEFT - RIGHT) / columns
        self._label_x = self._start - 0.12 / self._pitch
        self._turns = {row.turn: index for index, row in enumerate(rows) if row is not None and row.turn is not None}

    def draw(self, top: float, lanes: float, balance: float) -> None:
        """Draw below `top`: lanes that take `lanes` inches and, unless 0, a balance that takes `balance` inches."""
        steps = self._axes(top - lanes, lanes)
        steps.set_ylim(lanes / LANE - 0.5, -0.5)
        axes = [steps]
        if balance:
            axes.append(self._axes(top - lanes - balance, balance - 0.12))
        for index, row in self._here:
            if row is None or row.broken:
                for ax in axes:
                    ax.axvspan(index - 0.5, index + 0.5, color=RED_TINT if row else PALE, lw=0)
        self._lanes(steps)
        for index, row in self._here:
            self._turn(steps, index, row)
        if balance:
            self._balances(axes[1])

    def _axes(self, bottom: float, height: float) -> Axes:
        across = (self._width - LEFT - RIGHT) / self._width
        ax = self._figure.add_axes((LEFT / self._width, bottom / self._height, across, height / self._height))
        ax.set_xlim(self._start, self._end)
        ax.set_xticks([])
        ax.set_yticks([])
        for spine in ax.spines.values():
            spine.set_visible(False)
        return ax

    def _lanes(self, ax: Axes) -> None:
        for lane, worker in enumerate(self._timeline.workers):
            ax.axhline(lane, color=RULE, lw=0.8, zorder=0)
            name = "\n".join(wrapped(worker, 12)[:3])
            ax.text(self._label_x, lane, name, ha="right", va="center", size=11, weight="bold", color=INK)
            for span in self._timeline.spans:
                if span.worker == worker:
                    self._wait(ax, lane, span)

    def _turn(self, ax: Axes, index: int, row: TimelineRow | None) -> None:
        workers = self._timeline.workers
        below = len(workers) - 0.5 + 0.22
        label = "⋮" if row is None else f"{row.label}\nbroken" if row.broken else row.label
        marked = row is not None and bool(row.broken)
        color, weight = (RED, "bold") if marked else (MUTED, "normal")
        ax.text(index, below, label, ha="center", va="center", size=10, color=color, weight=weight, linespacing=1.15)
        if row is None:
            return
        lanes = [lane for lane, worker in enumerate(workers) if worker in row.cells]
        woken = [lane for lane in lanes if row.cells[workers[lane]].kind is CellKind.WOKEN]
        for lane in lanes:
            for other in woken if lane not in woken else ():  # who woke whom
                ax.plot([index, index], [lane, other], color=_EDGES[CellKind.WOKEN], lw=1.6, ls=":", zorder=1)
            self._box(ax, index, lane, row.cells[workers[lane]])

    def _box(self, ax: Axes, index: int, lane: int, cell: Cell) -> None:
        from matplotlib.patches import FancyBboxPatch

        wide, high = _BOX
        grave = cell.kind in (CellKind.CRASH, CellKind.FAIL)
        box = FancyBboxPatch(
            (index - wide / 2, lane - high / 2),
            wide,
            high,
            boxstyle=f"round,pad=0,rounding_size={0.08 / self._pitch}",
            mutation_aspect=self._pitch / LANE,
            facecolor=_TINTS[cell.kind],
            edgecolor=_EDGES[cell.kind],
            linewidth=1.8 if grave else 1.1,
            linestyle="--" if cell.kind in (CellKind.CRASH, CellKind.UNKNOWN) else "-",
            zorder=3,
        )
        ax.add_patch(box)
        if cell.kind is CellKind.CRASH:
            x, y = index + wide / 2, lane - high / 2
            ax.plot(x, y, marker="X", ms=9, color=RED, mec="white", mew=0.8, zorder=5)
        self._label(ax, index, lane, cell.text)

    def _label(self, ax: Axes, index: int, lane: int, text: str) -> None:
        """In the box: the place at its upper edge, what was done there in the middle of what is left."""
        wide, high = self._pitch * _BOX[0] - 0.1, LANE * _BOX[1] - 0.08
        columns, most = int(wide * 72 / (_TEXT * _CHARACTER)), int(high * 72 / (_TEXT * 1.25))
        found = box_text(text, self._labels, columns, most, int(wide * 72 / (_PLACE * _CHARACTER)))
        middle = float(lane)
        if found.place:
            top = lane - _BOX[1] / 2 + 0.06 / LANE
            ax.text(index, top, found.place, ha="center", va="top", size=_PLACE, color=MUTED, zorder=4)
            middle += _PLACE * 1.25 / 72 / LANE / 2
        ax.text(index, middle, "\n".join(found.lines), ha="center", va="center", size=_TEXT, color=INK, zorder=4,
                linespacing=1.2)  # fmt: skip

    def _wait(self, ax: Axes, lane: int, span: BlockedSpan) -> None:
        from matplotlib.patches import Rectangle

        # A turn that was left out of the picture is where the next one shown is.
        starts = [index for turn, index in self._turns.items() if turn >= span.start]
        ends = [index for turn, index in self._turns.items() if span.end is not None and turn >= span.end]
        start = min(starts, default=len(self._rows))
        end = min(ends) if ends else len(self._rows) - 0.5
        left, right = max(start, self._start), min(end, self._end)
        if right <= left:
            return
        color = _EDGES[CellKind.BLOCKED]
        bar = Rectangle(
            (left, lane - 0.16), right - left, 0.32, facecolor="white", edgecolor=color, hatch="////", lw=0.9, zorder=2
        )
        ax.add_patch(bar)
        # Only the part that no box covers can carry a word.
        left, right = max(start + _BOX[0] / 2, self._start), min(end - (_BOX[0] / 2 if ends else 0), self._end)
        if (right - left) * self._pitch > 0.75:
            paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
            ax.text(
                (left + right) / 2, lane, "waiting", ha="center", va="center", size=9, color=INK, zorder=3, bbox=paper
            )

    def _balances(self, ax: Axes) -> None:
        rows = [row for row in self._rows if row is not None]
        owners = list(dict.fromkeys(owner for row in rows for owner in row.numbers))
        values = [number for row in rows for number in row.numbers.values()]
        values += [number for right in self._expected.values() for number in right]
        low, high = min(values), max(values)
        margin = (high - low) * 0.35 or max(abs(high) * 0.1, 1.0)
        ax.set_ylim(low - margin, high + margin * 1.3)
        ax.axhline(low - margin, color=RULE, lw=1)
        title = self._timeline.balance_title
        ax.text(self._label_x, (low + high) / 2, title, ha="right", va="center", size=11, weight="bold", color=INK)
        for owner, color in zip(owners, _LINES, strict=False):
            name = owner if len(owners) > 1 else ""
            self._right(ax, self._expected.get(owner, ()), name)
            self._balance(ax, owner, name, color, margin)

    def _right(self, ax: Axes, values: Sequence[float], name: str) -> None:
        """What the balance should be in the end, as lines across: where it ends elsewhere, that is the damage."""
        for value in values:
            ax.axhline(value, color=GREEN, lw=1.3, ls=(0, (6, 3)), zorder=1, gid="expected")
            text = f"{name} should end with {value:.15g}".strip()
            ax.annotate(
                text, (1, value), xycoords=("axes fraction", "data"), xytext=(-2, -3), textcoords="offset points",
                ha="right", va="top", size=9.5, color=GREEN, weight="bold",
            )  # fmt: skip

    def _balance(self, ax: Axes, owner: str, name: str, color: str, margin: float) -> None:
        points = [(i, row.numbers[owner], bool(row.broken)) for i, row in self._here if row and owner in row.numbers]
        if not points:
            return
        edge = _BOX[0] / 2  # the step is where the box of its turn begins
        x = [index - edge for index, _, _ in points] + [points[-1][0] + 0.5]
        y = [number for _, number, _ in points] + [points[-1][1]]
        ax.plot(x, y, drawstyle="steps-post", color=color, lw=2.2, solid_capstyle="butt", zorder=3)
        before: float | None = None
        for index, number, broken in points:
            if number != before or broken:
                shade, weight = (RED, "bold") if broken else (color, "normal")
                text = f"{name} {number:.15g}".strip()
                ax.text(
                    index - edge + 0.05, number + margin * 0.16, text, size=10, va="bottom", color=shade, weight=weight,
                    zorder=5,
                )  # fmt: skip
                marker, size = ("X", 9) if broken else ("o", 5)
                ax.plot(index - edge, number, marker=marker, ms=size, color=shade, mec="white", mew=0.8, zorder=4)
            before = number
