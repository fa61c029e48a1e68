"""One strip of a picture: some consecutive turns, the workers' lanes above, the balance beneath. Sizes in inches."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.report.text import cut
from harness.report.timeline import Timeline, TimelineRow
from harness.report.turns import BlockedSpan, Cell, CellKind

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, RIGHT, HEAD = 1.25, 0.3, 0.85
TURN, LANE, BALANCE = 1.4, 0.98, 1.35
_BOX = 0.88, 0.74
"""A box's share of its turn's width and of its lane's height."""

# Okabe and Ito's palette, told apart by all common kinds of colour vision; what matters also differs in form.
INK, RED = "#1f2328", "#d55e00"
_MUTED, _RULE, _PALE = "#667085", "#d0d5dd", "#f2f4f7"
_EDGES = {
    CellKind.STEP: "#0072b2",
    CellKind.END: _MUTED,
    CellKind.WOKEN: "#009e73",
    CellKind.BLOCKED: "#e69f00",
    CellKind.FAIL: RED,
    CellKind.UNKNOWN: "#cc79a7",
    CellKind.CRASH: RED,
}
_TINTS = {
    CellKind.STEP: "#eaf3f9",
    CellKind.END: _PALE,
    CellKind.WOKEN: "#e6f5f1",
    CellKind.BLOCKED: "#fdf5e3",
    CellKind.FAIL: "#fbeee4",
    CellKind.UNKNOWN: "#faf0f5",
    CellKind.CRASH: "#fbeee4",
}
_LINES = ("#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")


class Strip:
    """Draws `columns` of the `rows` from index `first` on; x is the index of a row, whichever strip it is in."""

    def __init__(
        self, figure: Figure, timeline: Timeline, rows: Sequence[TimelineRow | None], first: int, columns: int
    ) -> None:
        self._figure, self._timeline, self._rows = figure, timeline, rows
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
                color, alpha = (RED, 0.1) if row else (_PALE, 1.0)
                for ax in axes:
                    ax.axvspan(index - 0.5, index + 0.5, color=color, alpha=alpha, lw=0)
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
            ax.axhline(lane, color=_RULE, lw=0.8, zorder=0)
            name = "\n".join(textwrap.wrap(worker, 12)[:3])
            ax.text(
                self._label_x, lane, name, ha="right", va="center", size=10, weight="bold", color=INK, parse_math=False
            )
            for span in self._timeline.spans:
                if span.worker == worker:
                    self._wait(ax, lane, span)

    def _turn(self, ax: Axes, index: int, row: TimelineRow | None) -> None:
        workers = self._timeline.workers
        below = len(workers) - 0.5 + 0.26
        label = "⋮" if row is None else f"{row.label}\nbroken" if row.broken else row.label
        marked = row is not None and bool(row.broken)
        color, weight = (RED, "bold") if marked else (_MUTED, "normal")
        ax.text(index, below, label, ha="center", va="center", size=9, color=color, weight=weight, linespacing=1.15)
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
        label, size = self._fitted(cell.text)
        ax.text(
            index,
            lane,
            label,
            ha="center",
            va="center",
            size=size,
            color=INK,
            zorder=4,
            linespacing=1.15,
            parse_math=False,
        )

    def _fitted(self, text: str) -> tuple[str, float]:
        """The label wrapped to its box, and a font size; what does not fit becomes "…"."""
        wide, high = self._pitch * _BOX[0] - 0.1, LANE * _BOX[1] - 0.06
        for size in (9.0, 8.2, 7.5):
            columns, most = int(wide * 72 / (size * 0.59)), int(high * 72 / (size * 1.2))
            lines = [line for part in text.split(" · ") for line in textwrap.wrap(part, columns)]
            if len(lines) <= most:
                break
        if len(lines) > most:
            lines[most - 1 :] = [cut(" ".join(lines[most - 1 :]), columns)]
        return "\n".join(lines), size

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
        low, high = min(values), max(values)
        margin = (high - low) * 0.35 or max(abs(high) * 0.1, 1.0)
        ax.set_ylim(low - margin, high + margin * 1.3)
        ax.axhline(low - margin, color=_RULE, lw=1)
        title = self._timeline.balance_title
        ax.text(self._label_x, (low + high) / 2, title, ha="right", va="center", size=10, weight="bold", color=INK)
        for owner, color in zip(owners, _LINES, strict=False):
            self._balance(ax, owner, owner if len(owners) > 1 else "", color, margin)

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
                    index - edge + 0.05, number + margin * 0.16, text, size=9, va="bottom", color=shade, weight=weight,
                    zorder=5, parse_math=False,
                )  # fmt: skip
                marker, size = ("X", 9) if broken else ("o", 5)
                ax.plot(index - edge, number, marker=marker, ms=size, color=shade, mec="white", mew=0.8, zorder=4)
            before = number
