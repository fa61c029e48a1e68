"""A history as the table people draw on whiteboards: T0, T1, … downwards, one column per worker, the balance beside.

Pure: no input or output, no clock; every text in the result is cleaned of control characters and of bounded length.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from harness.model import Counterexample, History, Violation
from harness.report.balance import Balances
from harness.report.text import one_line
from harness.report.turns import NAME_LIMIT, BlockedSpan, Cell, Turns


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineRow:
    """One turn. `balance` is what is committed after it; `broken` names the checks whose violation showed here.

    `numbers`: balance by owner, for drawing; empty when the system has no balances. `turn` is None before the first
    turn and after the last.
    """

    label: str
    turn: int | None
    cells: Mapping[str, Cell]
    balance: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    broken: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """`workers` are the column names in order of first appearance; `balance_title` heads the last column."""

    workers: tuple[str, ...]
    rows: tuple[TimelineRow, ...]
    spans: tuple[BlockedSpan, ...]
    balance_title: str

    def waits(self, worker: str, turn: int | None) -> bool:
        """Whether `worker` was already waiting before `turn` and still is after it."""
        return turn is not None and any(
            span.worker == worker and span.start < turn and (span.end is None or turn < span.end) for span in self.spans
        )


def timeline(history: History, violations: Iterable[Violation] = ()) -> Timeline:
    """The table of one execution, with the turns marked in which the `violations` showed.

    A first row "set-up" shows the opening ledger, a last row "end" the closing one where the turns do not show it.
    """
    turns = Turns()
    for event in history.events:
        turns.take(event)
    balances = Balances([history.opening, *turns.ledgers.values(), history.closing])
    drawn = Timeline(
        rows=tuple(_rows(history, turns, balances)),
        workers=tuple(turns.names.values()),
        spans=turns.spans(),
        balance_title=balances.title,
    )
    return marked(drawn, violations)


def marked(drawn: Timeline, violations: Iterable[Violation]) -> Timeline:
    """The same table with those turns marked, and no others, in which the `violations` showed."""
    rows = drawn.rows
    marks: dict[int, dict[str, None]] = {}
    for violation in violations:
        if violation.turn is not None and rows:
            # What only the closing ledger shows has a turn past the last one.
            later = (i for i, row in enumerate(rows) if row.turn is not None and row.turn >= violation.turn)
            marks.setdefault(next(later, len(rows) - 1), {})[one_line(violation.check, NAME_LIMIT)] = None
    shown = (replace(row, broken=", ".join(marks.get(index, ()))) for index, row in enumerate(rows))
    return replace(drawn, rows=tuple(shown))


def with_tables(
    found: Iterable[tuple[Counterexample, Violation]],
) -> Iterator[tuple[Counterexample, Violation, Timeline]]:
    """Each violation with the table of its counterexample in which it alone is marked. Those of a counterexample that
    follow each other share what was drawn."""
    for _, group in groupby(found, key=lambda pair: id(pair[0])):
        drawn = None
        for example, violation in group:
            drawn = drawn or timeline(example.execution.history)
            yield example, violation, marked(drawn, [violation])


def elide(rows: Sequence[TimelineRow], keep: int, told: Collection[int | None] = ()) -> tuple[TimelineRow | None, ...]:
    """At most `keep` (≥ 1) entries: the rows nearest to a broken turn, those of the turns in `told`, the start and the
    end; None marks a gap."""
    if len(rows) <= keep:
        return tuple(rows)
    last = len(rows) - 1
    broken = [index for index, row in enumerate(rows) if row.broken]

    def distance(index: int) -> float:
        # A broken turn is worth more context than the ends are. Who reads of T9 beneath the table looks for T9 in it.
        if rows[index].turn is not None and rows[index].turn in told:
            return 0
        return min([index + 1.5, last - index + 1.5, *(abs(index - other) for other in broken)])

    ranked = sorted(range(len(rows)), key=lambda index: (distance(index), index))
    for number in range(keep, 0, -1):
        shown = _with_gaps(rows, sorted(ranked[:number]))
        if len(shown) <= keep:
            return shown
    return (rows[ranked[0]],)


def _with_gaps(rows: Sequence[TimelineRow], chosen: Sequence[int]) -> tuple[TimelineRow | None, ...]:
    shown: list[TimelineRow | None] = []
    expected = 0
    for index in chosen:
        shown += [rows[index]] if index == expected else [None, rows[index]]
        expected = index + 1
    return tuple(shown if expected == len(rows) else [*shown, None])


def _rows(history: History, turns: Turns, balances: Balances) -> list[TimelineRow]:
    ledger, cells = history.opening, turns.cells()
    rows = []
    if ledger:
        shown, numbers = balances.text(ledger, None), balances.numbers(ledger)
        rows.append(TimelineRow(label="set-up", turn=None, cells={}, balance=shown, numbers=numbers))
    for turn in sorted({*cells, *turns.ledgers}):
        before, ledger = ledger, turns.ledgers.get(turn, ledger)
        shown, numbers = balances.text(ledger, before), balances.numbers(ledger)
        row = TimelineRow(label=f"T{turn}", turn=turn, cells=cells.get(turn, {}), balance=shown, numbers=numbers)
        rows.append(row)
    # A server may commit what its client asked for after the last turn: then the end is a row of its own.
    shown, numbers = balances.text(history.closing, ledger), balances.numbers(history.closing)
    if history.closing and shown and (not rows or shown != balances.text(ledger, ledger)):
        rows.append(TimelineRow(label="end", turn=None, cells={}, balance=shown, numbers=numbers))
    return rows
