"""What a server answers to one question, read off its messages. No input or output."""

from __future__ import annotations

import contextlib
import json
import struct
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from harness.driver.questions import Column, Described, value_of
from harness.driver.wire import Message
from harness.wire.content import command_tag, transaction_status
from harness.wire.frames import Frame

_STATUS = {"I": 0, "T": 2, "E": 3}
"""Of a ReadyForQuery, as libpq numbers them."""
_JSON = (114, 3802)
_DEADLOCK_DETECTED = "40P01"
_ROWS = 1000
"""More than these nobody compares: of what a program reads, its answer is what it returns."""


def fields(frame: Frame) -> dict[str, str]:
    """The fields of an ErrorResponse or a NoticeResponse, by their letters in PostgreSQL's documentation."""
    pieces = frame.body.split(b"\0")
    return {p[:1].decode("ascii", "replace"): p[1:].decode(errors="replace") for p in pieces if p}


class Reply:
    """Tell it every message of the answer. ``columns``: of the result, should the server not tell them again. ``asks``:
    statements that it describes in its answer, which become the wiser for it."""

    def __init__(self, columns: tuple[Column, ...] = (), asks: Sequence[Described] = ()) -> None:
        self._columns, self._asks = columns, deque(asks)
        self._rows: list[dict[str, Any]] = []
        self._tag = ""
        self.error: dict[str, str] = {}
        self.status = "I"
        self.copying = False
        """The server has asked for rows."""

    def take(self, frame: Frame) -> None:
        match frame.kind:
            case "ParameterDescription" if self._asks:
                self._asks[0].types = struct.unpack_from(f">{len(frame.body) // 4}I", frame.body, 2)
            case "NoData" if self._asks:
                self._asks.popleft()
            case "RowDescription" if self._asks:
                self._asks.popleft().columns = tuple(_columns(frame))
            case "RowDescription":
                self._columns, self._rows = tuple(_columns(frame)), []
            case "DataRow" if len(self._rows) < _ROWS:
                self._rows.append(_row(frame, self._columns))
            case "CopyInResponse":
                self.copying = True
            case "CommandComplete":
                self._tag = command_tag(frame)
            case "ErrorResponse":
                self.error = self.error or fields(frame)
            case "ReadyForQuery":
                self.status = transaction_status(frame)

    def message(self) -> Message:
        """As a worker process reports it."""
        transaction = _STATUS.get(self.status, 0)
        if not self.error:
            return {"ok": self._rows, "tag": self._tag, "tx": transaction}
        said = self.error
        reply: Message = {"error": said.get("M", "unknown error"), "sqlstate": said.get("C"), "tx": transaction}
        if said.get("C") == _DEADLOCK_DETECTED:
            reply |= {"detail": said.get("D", ""), "context": said.get("W", "")}
        return reply


def _columns(frame: Frame) -> Iterator[Column]:
    """A name that stands twice gets its position."""
    (count,) = struct.unpack_from(">H", frame.body)
    at, names = 2, set[str]()
    for number in range(1, count + 1):
        end = frame.body.index(b"\0", at)
        name = frame.body[at:end].decode(errors="replace")
        oid, _, _, binary = struct.unpack_from(">IhiH", frame.body, end + 7)
        yield Column(f"{name}_{number}" if name in names else name, oid, bool(binary))
        names.add(name)
        at = end + 19


def _row(frame: Frame, columns: Sequence[Column]) -> dict[str, Any]:
    (count,) = struct.unpack_from(">H", frame.body)
    at, row = 2, dict[str, Any]()
    for i in range(count):
        (size,) = struct.unpack_from(">i", frame.body, at)
        raw = None if size < 0 else frame.body[at + 4 : at + 4 + size]
        at += 4 + max(size, 0)
        column = columns[i] if i < len(columns) else Column(str(i + 1), 0)
        value = value_of(raw, column.oid, column.binary)
        if column.oid in _JSON and isinstance(value, str):
            with contextlib.suppress(ValueError):
                value = json.loads(value)
        row[column.name] = value
    return row
