"""A counterexample as a picture: one lane per worker, time to the right, the balance after each turn beneath, and the
balance that would be right where it is known.

Long ones break into strips, as music does, so that the labels stay readable. Equal timelines give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.model import Violation
from harness.report.boxed import wrapped
from harness.report.canvas import Picture
from harness.report.expected import expected_balances
from harness.report.palette import INK, RED
from harness.report.strip import BALANCE, HEAD, LANE, LEFT, RIGHT, TURN, Strip
from harness.report.text import cut, one_line
from harness.report.timeline import Timeline, TimelineRow, elide

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_TURNS = 36
TURNS_PER_STRIP = 6
_CROWD, _OF_A_CROWD = 3, 9
"""Of more workers than these, more turns stand on a strip: else the picture would be too high."""
_STRIP = TURN * TURNS_PER_STRIP
_MIN_WIDTH = 7.5
_GAP, _LINE = 0.2, 0.24


def timeline_png(
    timeline: Timeline,
    violations: Iterable[Violation],
    title: str,
    path: Path | None = None,
    labels: Mapping[str, str] | None = None,
) -> bytes:
    """`timeline_picture` as PNG bytes, also written to ``path`` when one is given."""
    picture = timeline_picture(timeline, violations, title, labels or {}).png()
    if path is not None:
        path.write_bytes(picture)
    return picture


def timeline_picture(
    timeline: Timeline, violations: Iterable[Violation], title: str, labels: Mapping[str, str]
) -> Picture:
    """At most 14 inches wide and, beyond 36 turns, without those that are far from the broken one. ``labels``: step
    inside a function → what it is in words, in place of its SQL."""
    found = tuple(violations)
    rows = elide(timeline.rows, MAX_TURNS)
    owners = {owner for row in timeline.rows for owner in row.numbers}
    expected = expected_balances(found, owners)
    per_strip = TURNS_PER_STRIP if len(timeline.workers) <= _CROWD else _OF_A_CROWD
    strips = _strips(rows, per_strip)
    columns = max(len(strips[0]), 1)
    width = max(_MIN_WIDTH, LEFT + _STRIP / per_strip * columns + RIGHT)
    sentence = _sentence(found, int(width / 0.098))
    head = HEAD + _LINE * (len(sentence) - 1)
    lanes = max(len(timeline.workers), 1) * LANE + 0.45
    balance = BALANCE if any(row is not None and row.numbers for row in rows) else 0.0
    height = head + len(strips) * (lanes + balance) + (len(strips) - 1) * _GAP + 0.25

    def draw(figure: Figure) -> None:
        _say(figure, height - 0.28, one_line(title, int(width / 0.14)), size=13, weight="bold")
        for number, line in enumerate(sentence):
            _say(figure, height - 0.58 - _LINE * number, line, size=11, color=RED)
        top, first = height - head, 0
        for strip in strips:
            Strip(figure, timeline, rows, first, columns, labels=labels, expected=expected).draw(top, lanes, balance)
            top -= lanes + balance + _GAP
            first += len(strip)

    return Picture(size=(width, height), draw=draw)


def _sentence(violations: Sequence[Violation], columns: int) -> list[str]:
    """What was violated, in two lines at most; none where nothing was."""
    if not violations:
        return []
    lines = wrapped(one_line(f"✗ {violations[0].check}: {violations[0].message}", 2 * columns - 10), columns)
    return lines if len(lines) <= 2 else [lines[0], cut(" ".join(lines[1:]), columns)]


def _strips(rows: Sequence[TimelineRow | None], per_strip: int) -> list[Sequence[TimelineRow | None]]:
    """The rows in parts of equal length, but for the last."""
    number = max(-(-len(rows) // per_strip), 1)
    length = max(-(-len(rows) // number), 1)
    return [rows[first : first + length] for first in range(0, max(len(rows), 1), length)]


def _say(figure: Figure, y: float, text: str, *, size: float, color: str = INK, weight: str = "normal") -> None:
    width, height = figure.get_size_inches()
    figure.text(0.25 / width, y / height, text, size=size, color=color, weight=weight, va="center")
