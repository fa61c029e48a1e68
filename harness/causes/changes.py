"""What the committed ledger changed from turn to turn, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from harness.model import EventKind, History, Json, Ledger, Row


class What(StrEnum):
    """What became of a row."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A row that was committed, changed or removed in ``turn``. ``before``, ``after``: None where there was none.
    ``columns``: those that differ; of a row that came or went, all."""

    turn: int
    table: str
    what: What
    before: Row | None
    after: Row | None
    columns: frozenset[str]


class Ledgers:
    """The committed ledger of a history, turn by turn."""

    def __init__(self, history: History) -> None:
        states = [(-1, history.opening)]
        states += [(e.turn, e.ledger or {}) for e in history.events if e.kind is EventKind.LEDGER]
        last = max([e.turn for e in history.events], default=0)
        if history.closing != states[-1][1]:
            states.append((last + 1, history.closing))
        self._states = states
        self.tables = {table: _columns(states, table) for table in {t for _, s in states for t in s}}
        self._keys = {table: _key(states, table) for table in self.tables}
        self.changes: tuple[Change, ...] = tuple(
            change
            for (_, before), (turn, after) in pairwise(states)
            for table in sorted(after)
            for change in _differences(turn, table, self._keys[table], before.get(table, ()), after[table])
        )

    def identity(self, table: str, row: Row) -> str:
        """What tells a row from the others of its table, whatever becomes of it; where nothing does, all of it."""
        key = self._keys[table]
        return text(dict(row) if key is None else row.get(key))

    def rows(self, table: str, turn: int) -> Sequence[Row]:
        """The committed rows of a table as a snapshot taken in ``turn`` sees them."""
        return next((s.get(table, ()) for t, s in reversed(self._states) if t < turn), ())


def _columns(states: Sequence[tuple[int, Ledger]], table: str) -> frozenset[str]:
    return frozenset(column for _, state in states for row in state.get(table, ()) for column in row)


def _key(states: Sequence[tuple[int, Ledger]], table: str) -> str | None:
    """The first column that tells all rows of the table apart at any time; primary keys stand first in most tables."""
    found = next((rows for _, s in states if (rows := s.get(table))), ())
    for column in found[0] if found else ():
        values = [[text(row.get(column)) for row in s.get(table, ())] for _, s in states]
        if all(len(set(v)) == len(v) and text(None) not in v for v in values):
            return column
    return None


def _differences(
    turn: int, table: str, key: str | None, before: Sequence[Row], after: Sequence[Row]
) -> Iterator[Change]:
    gone, new = _without(before, after), _without(after, before)
    if len(before) == len(after) == 1 and gone:  # a table of one row: that one, whatever it is called
        yield _update(turn, table, gone[0], new[0])
        return
    if key is not None:
        by_key = {text(row.get(key)): row for row in new}
        for row in [row for row in gone if text(row.get(key)) in by_key]:
            other = by_key[text(row.get(key))]
            yield _update(turn, table, row, other)
            gone.remove(row)
            new.remove(other)
    if gone and new:  # which became which cannot be told
        return
    for row in gone:
        yield Change(turn=turn, table=table, what=What.DELETE, before=row, after=None, columns=frozenset(row))
    for row in new:
        yield Change(turn=turn, table=table, what=What.INSERT, before=None, after=row, columns=frozenset(row))


def _update(turn: int, table: str, before: Row, after: Row) -> Change:
    columns = frozenset(c for c in {*before, *after} if before.get(c) != after.get(c))
    return Change(turn=turn, table=table, what=What.UPDATE, before=before, after=after, columns=columns)


def _without(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """``rows`` that have no equal among ``others``, each of which equals one at most."""
    left = list(others)
    found = []
    for row in rows:
        if row in left:
            left.remove(row)
        else:
            found.append(row)
    return found


def text(value: Json) -> str:
    """A value as SQL texts hold it: the same text for a literal and for the column that it is compared with."""
    if isinstance(value, bool) or value is None or isinstance(value, Mapping | list):
        return json.dumps(value, sort_keys=True)
    return str(value)
