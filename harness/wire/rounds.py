"""Which question a server's message answers.

A client may send many questions before it reads an answer. The server answers in order, and ends each round (a Query,
or everything up to a Sync) with one ReadyForQuery: counting those tells which round a message belongs to.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from harness.wire.content import command_tag, sqlstate, strings
from harness.wire.faults import LoseAnswer
from harness.wire.frames import Frame


@dataclass(slots=True, kw_only=True)
class Round:
    """What a client asked up to one Sync or Query, and how far the answer has come.

    ``outcome``: the last command tag or SQLSTATE that the server sent in it. ``lost``: its answer must not arrive.
    """

    sql: list[str] = field(default_factory=list)
    asked: bool = False
    simple: bool = False
    outcome: str = ""
    lost: LoseAnswer | None = None


class Rounds:
    """The open rounds of one connection. Tell it every message, of a side in the order in which it sent them."""

    def __init__(self) -> None:
        self._open: deque[Round] = deque()
        self._statements: dict[str, str] = {}
        self._portals: dict[str, str] = {}
        self._copying_in = False

    def asked(self, frame: Frame) -> tuple[str, Round | None]:
        """The SQL that this message of the client stands for (empty if none), and the round it belongs to (None for
        what is no part of a question: passwords, copied rows)."""
        sql = self._sql(frame)
        if frame.kind in ("CopyDone", "CopyFail"):
            self._copying_in = False
        if frame.kind == "Startup":
            self._open.append(Round(asked=True, simple=True))
            return "", self._open[-1]
        if frame.kind not in _QUESTIONS:
            return sql, None
        if frame.kind == "Sync" and self._copying_in:
            return sql, self._open[0]  # the server, being sent rows, ignores it
        if not self._open or self._open[-1].asked:
            self._open.append(Round())
        current = self._open[-1]
        if sql:
            current.sql.append(sql)
        if frame.kind in ("Query", "Sync", "FunctionCall"):
            current.asked, current.simple = True, frame.kind != "Sync"
        return sql, current

    def answered(self, frame: Frame) -> Round | None:
        """The round that this message of the server belongs to; None for one that nobody asked for."""
        if not self._open:
            return None
        current = self._open[0]
        current.outcome = sqlstate(frame) or command_tag(frame) or current.outcome
        if frame.kind == "CopyInResponse":
            self._copying_in = True
            current.asked = current.simple  # a Sync that came before the rows counts for nothing
        elif frame.kind == "ErrorResponse":
            self._copying_in = False
        elif frame.kind == "ReadyForQuery":
            self._open.popleft()
        return current

    def _sql(self, frame: Frame) -> str:
        if frame.kind == "Query":
            return strings(frame, 1)[0]
        if frame.kind == "Parse":
            name, sql = strings(frame, 2)
            self._statements[name] = sql
            return sql
        if frame.kind == "Bind":
            portal, name = strings(frame, 2)
            self._portals[portal] = self._statements.get(name, "")
        elif frame.kind == "Execute":
            return self._portals.get(strings(frame, 1)[0], "")
        return ""


_QUESTIONS = frozenset({"Query", "Parse", "Bind", "Describe", "Execute", "Close", "Flush", "Sync", "FunctionCall"})
