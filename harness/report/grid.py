"""A timeline as plain text: a table with one column per worker, or one line per cell where columns would be slivers."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.cells import cell_len, chop_cells, set_cell_size

from harness.report.timeline import Timeline, TimelineRow, elide

MARK = "← broken"
WAITING = "┊"
GAP = "⋮"
_SPACE = 2
_MIN_COLUMN = 15
_MAX_LINES = 6


def timeline_text(
    timeline: Timeline, width: int = 80, height: int | None = None, told: Collection[int | None] = ()
) -> str:
    """The timeline as lines of at most `width` (≥ 40) cells, heading included; "" for one without rows.

    With a `height` (≥ 4) at most that many lines: cells first get shorter, then rows far from the broken turn and
    from the turns in `told` give way to ``⋮``. Wide characters count as two cells.
    """
    if not timeline.rows:
        return ""
    layout = _Layout(timeline, max(width, 40))
    for lines_per_cell in range(_MAX_LINES, 0, -1):
        lines = layout.lines(timeline.rows, lines_per_cell)
        if height is None or len(lines) <= height:
            return "\n".join(lines)
    # More rows than there are lines never fit: `elide` gives at least one entry less, and the heading is one line more.
    room = max(height or 0, 4)
    for keep in range(min(len(timeline.rows), room), 0, -1):
        lines = layout.lines(elide(timeline.rows, keep, told), 1)
        if len(lines) <= room:
            break
    return "\n".join(lines)


def wrap(text: str, width: int, max_lines: int = _MAX_LINES) -> list[str]:
    """`text` in lines of at most `width` cells, broken at spaces where there are any; the rest becomes "…"."""
    lines = list[str]()
    line = ""
    for word in text.split():
        candidate = f"{line} {word}" if line else word
        if cell_len(candidate) <= width:
            line = candidate
            continue
        lines += [line] if line else []
        *full, line = chop_cells(word, width) if cell_len(word) > width else [word]
        lines += full
    lines = [*lines, line] if line else lines
    if len(lines) <= max_lines:
        return lines or [""]
    return [*lines[: max_lines - 1], fit(" ".join(lines[max_lines - 1 :]), width)]


def fit(text: str, width: int) -> str:
    """`text` in at most `width` cells; the last is "…" when something was left out."""
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip(" …") + "…"


class _Layout:
    """The widths of one timeline's columns, and its rows as lines."""

    def __init__(self, timeline: Timeline, width: int) -> None:
        self._timeline = timeline
        self._label = max(cell_len(row.label) for row in timeline.rows)
        longest = max([cell_len(row.balance) for row in timeline.rows], default=0)
        self._balance = min(max(longest, cell_len(timeline.balance_title)), 20, width // 4) if longest else 0
        mark = cell_len(MARK) if any(row.broken for row in timeline.rows) else 0
        fixed = self._label + sum(_SPACE + column for column in (self._balance, mark) if column)
        self._workers = self._worker_widths(width - fixed)
        self._alone = 0 if self._workers else width - fixed - _SPACE

    def _worker_widths(self, room: int) -> list[int]:
        """One width per worker, none wider than its texts need; [] when the columns would be too narrow to read."""
        workers, rows = self._timeline.workers, self._timeline.rows
        room -= _SPACE * len(workers)
        if not workers or room // len(workers) < _MIN_COLUMN:
            return []
        wanted = [
            max([cell_len(worker), *(cell_len(row.cells[worker].text) for row in rows if worker in row.cells)])
            for worker in workers
        ]
        # The modest ones are served first, so that what they leave goes to the others.
        shares = dict[int, int]()
        left = len(workers)
        for index in sorted(range(len(workers)), key=lambda index: wanted[index]):
            shares[index] = min(wanted[index], room // left)
            room -= shares[index]
            left -= 1
        return [shares[index] for index in range(len(workers))]

    def lines(self, rows: Sequence[TimelineRow | None], lines_per_cell: int) -> list[str]:
        timeline = self._timeline
        titles = list(timeline.workers) if self._workers else ["worker: step"] if timeline.workers else []
        heads = [wrap(title, size, 1) for title, size in zip(titles, self._sizes(), strict=True)]
        found = self._join("", heads, wrap(timeline.balance_title, self._balance or 1, 1), "")
        for row in rows:
            if row is None:
                found.append(GAP)
                continue
            cells = self._columns(row, lines_per_cell) if self._workers else self._stack(row, lines_per_cell)
            balance = wrap(row.balance, self._balance or 1, max(lines_per_cell, 2))
            found += self._join(row.label, cells, balance, MARK if row.broken else "")
        return found

    def _sizes(self) -> list[int]:
        return self._workers or ([self._alone] if self._timeline.workers else [])

    def _columns(self, row: TimelineRow, lines_per_cell: int) -> list[list[str]]:
        cells = []
        for worker, size in zip(self._timeline.workers, self._workers, strict=True):
            waiting = WAITING if self._timeline.waits(worker, row.turn) else ""
            cells.append(wrap(row.cells[worker].text, size, lines_per_cell) if worker in row.cells else [waiting])
        return cells

    def _stack(self, row: TimelineRow, lines_per_cell: int) -> list[list[str]]:
        if not self._timeline.workers:
            return []
        texts = [f"{name}: {row.cells[name].text}" for name in self._timeline.workers if name in row.cells]
        lines = [line for text in texts for line in wrap(text, self._alone, lines_per_cell)]
        return [lines or [""]]

    def _join(self, label: str, cells: list[list[str]], balance: list[str], mark: str) -> list[str]:
        columns = [*zip(cells, self._sizes(), strict=True), *([(balance, self._balance)] if self._balance else [])]
        lines = []
        for number in range(max([1, *(len(texts) for texts, _ in columns)])):
            parts = [set_cell_size(label if number == 0 else "", self._label)]
            parts += [set_cell_size(_line_of(texts, number), size) for texts, size in columns]
            parts += [mark] if number == 0 else []
            lines.append((" " * _SPACE).join(parts).rstrip())
        return lines


def _line_of(texts: list[str], number: int) -> str:
    """A wait goes on through all lines of a row."""
    if texts == [WAITING]:
        return WAITING
    return texts[number] if number < len(texts) else ""
