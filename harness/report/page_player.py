"""What the page's player shows at each turn, as data in which everything that repeats stands once."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from harness.model import Counterexample, EventKind, HeldLock, History, Ledger, SessionMoment, SessionState
from harness.report.text import one_line, value_text
from harness.report.timeline import TimelineRow
from harness.report.turns import NAME_LIMIT
from harness.report.views import MAX_COLUMNS, MAX_TABLE_ROWS, VALUE_LIMIT

STATES = {
    SessionState.IDLE: "idle, in no transaction",
    SessionState.ACTIVE: "in a transaction",
    SessionState.WAITING: "waiting for a lock",
    SessionState.ENDED: "done",
    SessionState.GONE: "dead",
}
MAX_LOCKS = 40


class Player:
    """Gathers the frames of all counterexamples of a page.

    In what `data` gives, a frame is ``[row, label, what happened, sessions, ledger]``: ``row`` is the number of its row
    in the table, the others are numbers into the lists ``texts``, ``sessions`` and ``ledgers`` (-1: not known).
    """

    def __init__(self) -> None:
        self._texts = _Pool()
        self._rows = _Pool()
        self._tables = _Pool()
        self._ledgers = _Pool()
        self._sessions = _Pool()
        self._examples: dict[str, list[list[int]]] = {}
        self._seen: dict[int, tuple[Ledger, int]] = {}

    def add(self, anchor: str, example: Counterexample, rows: Sequence[TimelineRow | None]) -> None:
        """The frames of one counterexample, whose table has these ``rows``."""
        history, moments = example.execution.history, example.story.moments
        sessions = {moment.turn: moment.sessions for moment in moments} if moments else _gathered(history)
        ledgers = {event.turn: event.ledger or {} for event in history.events if event.kind is EventKind.LEDGER}
        committed = sorted(ledgers)
        frames, turn = [], -1
        for number, row in enumerate(rows):
            if row is None:
                continue
            turn = turn if row.turn is None else row.turn
            before = bisect_right(committed, turn)
            ledger = ledgers[committed[before - 1]] if before else history.opening
            moment = sessions.get(turn)
            frames.append(
                [
                    number,
                    self._texts.put(row.label),
                    self._texts.put(_happened(row)),
                    self._session(moment) if moment else -1,
                    self._ledger(history.closing if row.label == "end" else ledger),
                ]
            )
        self._examples[anchor] = frames

    def data(self) -> dict[str, Any]:
        """For `json_block`: the frames by anchor, and the lists that their numbers lead into."""
        return {
            "texts": self._texts.items,
            "rows": self._rows.items,
            "tables": self._tables.items,
            "ledgers": self._ledgers.items,
            "sessions": self._sessions.items,
            "examples": self._examples,
        }

    def _session(self, sessions: Sequence[SessionMoment]) -> int:
        return self._sessions.put(
            tuple(
                (
                    self._texts.put(one_line(s.worker, NAME_LIMIT)),
                    self._texts.put(STATES[s.state]),
                    self._texts.put(one_line(s.at, 80)),
                    self._texts.put(", ".join(one_line(w, NAME_LIMIT) for w in s.waits_for)),
                    tuple(self._texts.put(_lock(lock)) for lock in s.locks[:MAX_LOCKS] if lock.granted),
                    tuple(self._texts.put(_lock(lock)) for lock in s.locks[:MAX_LOCKS] if not lock.granted),
                )
                for s in sessions
            )
        )

    def _ledger(self, ledger: Ledger) -> int:
        # The same object comes turn after turn; kept here, its id stays its own.
        if id(ledger) not in self._seen:
            tables = tuple(self._table(name, ledger) for name in ledger)
            self._seen[id(ledger)] = (ledger, self._ledgers.put(tables))
        return self._seen[id(ledger)][1]

    def _table(self, name: str, ledger: Ledger) -> int:
        rows = ledger[name][:MAX_TABLE_ROWS]
        columns = list(dict.fromkeys(column for row in rows for column in row))[:MAX_COLUMNS]
        cells = (tuple(self._texts.put(value_text(r[c], VALUE_LIMIT) if c in r else "") for c in columns) for r in rows)
        return self._tables.put(
            (
                self._texts.put(one_line(name, 80)),
                tuple(self._texts.put(one_line(column, 60)) for column in columns),
                tuple(self._rows.put(row) for row in cells),
                len(ledger[name]) - len(rows),
            )
        )


def json_block(data: Mapping[str, Any]) -> str:
    """JSON that can stand in a script element: nothing in it ends the element or begins a comment."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


class _Pool:
    """Values by number, equal ones once."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._numbers: dict[Hashable, int] = {}

    def put(self, item: Hashable) -> int:
        if item not in self._numbers:
            self._numbers[item] = len(self.items)
            self.items.append(item)
        return self._numbers[item]


def _happened(row: TimelineRow) -> str:
    if not row.cells:
        return {"set-up": "the ledger after the set-up", "end": "the ledger at the end"}.get(row.label, "")
    return "; ".join(f"{worker}: {cell.text}" for worker, cell in row.cells.items())


def _lock(lock: HeldLock) -> str:
    return " ".join(part for part in (one_line(lock.kind, 40), one_line(lock.on, 80), one_line(lock.mode, 40)) if part)


def _gathered(history: History) -> dict[int, tuple[SessionMoment, ...]]:
    """What events alone tell of sessions that nobody looked at: who waits, who is done, who is dead. Workers of whom
    they do not tell are left out."""
    found: dict[int, tuple[SessionMoment, ...]] = {}
    known: dict[str, SessionMoment] = {}
    for event in history.events:
        match event.kind:
            case EventKind.BLOCKED:
                known[event.worker] = SessionMoment(
                    worker=event.worker, state=SessionState.WAITING, at=event.step, waits_for=event.blockers
                )
            case EventKind.CRASH:
                known[event.worker] = SessionMoment(worker=event.worker, state=SessionState.GONE)
            case EventKind.END:
                known[event.worker] = SessionMoment(worker=event.worker, state=SessionState.ENDED)
            case EventKind.WOKEN | EventKind.OK | EventKind.FAIL:
                if event.worker in known and known[event.worker].state is SessionState.WAITING:
                    del known[event.worker]
        found[event.turn] = tuple(known[worker] for worker in sorted(known))
    return found
