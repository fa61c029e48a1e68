"""A counterexample as a picture: one lane per worker, time to the right, the balance after each turn beneath.

Long ones break into strips, as music does, so that the labels stay readable. Equal timelines give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.model import Violation
from harness.report.canvas import png
from harness.report.strip import BALANCE, HEAD, INK, LANE, LEFT, RED, RIGHT, TURN, Strip
from harness.report.text import one_line
from harness.report.timeline import Timeline, TimelineRow, elide

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_TURNS = 36
TURNS_PER_STRIP = 9
_MIN_WIDTH = 7.5
_GAP = 0.3


def timeline_png(timeline: Timeline, violations: Iterable[Violation], title: str, path: Path | None = None) -> bytes:
    """The picture as PNG bytes, also written to `path` when one is given.

    At most 14 inches wide and, beyond 36 turns, without those that are far from the broken one.
    """
    found = tuple(violations)
    rows = elide(timeline.rows, MAX_TURNS)
    strips = _strips(rows)
    columns = max(len(strips[0]), 1)
    head = HEAD if found else HEAD - 0.3
    lanes = max(len(timeline.workers), 1) * LANE + 0.45
    balance = BALANCE if any(row is not None and row.numbers for row in rows) else 0.0
    width = max(_MIN_WIDTH, LEFT + TURN * columns + RIGHT)
    height = head + len(strips) * (lanes + balance) + (len(strips) - 1) * _GAP + 0.25

    def draw(figure: Figure) -> None:
        _say(figure, height - 0.28, one_line(title, int(width / 0.13)), size=12.5, weight="bold")
        if found:
            sentence = one_line(f"✗ {found[0].check}: {found[0].message}", int(width / 0.09))
            _say(figure, height - 0.58, sentence, size=10, color=RED)
        top, first = height - head, 0
        for strip in strips:
            Strip(figure, timeline, rows, first, columns).draw(top, lanes, balance)
            top -= lanes + balance + _GAP
            first += len(strip)

    picture = png((width, height), draw)
    if path is not None:
        path.write_bytes(picture)
    return picture


def _strips(rows: Sequence[TimelineRow | None]) -> list[Sequence[TimelineRow | None]]:
    """The rows in parts of equal length, but for the last."""
    number = max(-(-len(rows) // TURNS_PER_STRIP), 1)
    length = max(-(-len(rows) // number), 1)
    return [rows[first : first + length] for first in range(0, max(len(rows), 1), length)]


def _say(figure: Figure, y: float, text: str, *, size: float, color: str = INK, weight: str = "normal") -> None:
    width, height = figure.get_size_inches()
    figure.text(0.25 / width, y / height, text, size=size, color=color, weight=weight, va="center", parse_math=False)
