"""Writes the history of one execution, with names in place of generated ids."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from harness.driver.names import Names
from harness.model import Event, EventKind, Ledger, Row


class Recorder:
    """Collects events; ``turn`` is set by the controller before each decision."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.turn = 0
        self.events: list[Event] = []
        self._tables: dict[str, tuple[tuple[Row, ...], tuple[Row, ...]]] = {}
        self._begin = time.monotonic_ns()

    def note(
        self,
        kind: EventKind,
        worker: str = "",
        step: str = "",
        *,
        sql: str | None = None,
        rows: Iterable[Mapping[str, Any]] | None = None,
        sqlstate: str | None = None,
        message: str | None = None,
        blockers: Iterable[str] = (),
        ledger: Ledger | None = None,
    ) -> None:
        rename = self.names.rename
        self.events.append(
            Event(
                kind=kind,
                turn=self.turn,
                worker=worker,
                step=step,
                sql=rename(sql),
                answer=tuple([rename(row) for row in rows]) if rows is not None else None,
                sqlstate=sqlstate,
                message=rename(message),
                blockers=tuple(blockers),
                ledger=ledger,
                at_us=(time.monotonic_ns() - self._begin) // 1000,
            )
        )

    def insert(self, index: int, turn: int, kind: EventKind, worker: str, *, blockers: Iterable[str]) -> Event:
        """Note what is known only now, before the event at ``index`` (of the same worker and step)."""
        late = self.events[index]
        event = Event(
            kind=kind, turn=turn, worker=worker, step=late.step, blockers=tuple(blockers), at_us=late.at_us
        )  # fmt: skip
        self.events.insert(index, event)
        return event

    def latest(self, worker: str, *kinds: EventKind) -> Event | None:
        """The last event of these kinds that a worker has had."""
        return next((e for e in reversed(self.events) if e.worker == worker and e.kind in kinds), None)

    def replace(self, old: Event, new: Event) -> None:
        """Put ``new``, of which more is known, where ``old`` stands."""
        self.events[next(i for i, e in enumerate(self.events) if e is old)] = new

    def ledger(self, rows: Mapping[str, tuple[Row, ...]]) -> Ledger:
        """Rows as read from the database → a ledger with names. A table that gave the same object again as the last
        time has not changed."""
        for table, found in rows.items():
            if table not in self._tables or self._tables[table][0] is not found:
                self._tables[table] = found, tuple([self.names.rename(row) for row in found])
        return {table: self._tables[table][1] for table in rows}
