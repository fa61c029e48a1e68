"""What a server answers to one question, read off its messages. No input or output."""

from __future__ import annotations

import contextlib
import json
import struct
from typing import Any

from harness.driver.questions import value_of
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
    """Tell it every message of the answer."""

    def __init__(self) -> None:
        self._columns: list[tuple[str, int, bool]] = []
        self._rows: list[dict[str, Any]] = []
        self._tag = ""
        self.error: dict[str, str] = {}
        self.status = "I"
        self.copying = False
        """The server has asked for rows."""

    def take(self, frame: Frame) -> None:
        match frame.kind:
            case "RowDescription":
                self._columns, self._rows = _columns(frame), []
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


def _columns(frame: Frame) -> list[tuple[str, int, bool]]:
    """Name, type and whether it comes in binary; a name that stands twice gets its position."""
    (count,) = struct.unpack_from(">H", frame.body)
    at, found = 2, list[tuple[str, int, bool]]()
    for number in range(1, count + 1):
        end = frame.body.index(b"\0", at)
        name = frame.body[at:end].decode(errors="replace")
        oid, _, _, binary = struct.unpack_from(">IhiH", frame.body, end + 7)
        found.append((name if all(name != other for other, _, _ in found) else f"{name}_{number}", oid, bool(binary)))
        at = end + 19
    return found


def _row(frame: Frame, columns: list[tuple[str, int, bool]]) -> dict[str, Any]:
    (count,) = struct.unpack_from(">H", frame.body)
    at, row = 2, dict[str, Any]()
    for i in range(count):
        (size,) = struct.unpack_from(">i", frame.body, at)
        raw = None if size < 0 else frame.body[at + 4 : at + 4 + size]
        at += 4 + max(size, 0)
        name, oid, binary = columns[i] if i < len(columns) else (str(i + 1), 0, False)
        row[name] = value_of(raw, oid, binary)
        if oid in _JSON and isinstance(row[name], str):
            with contextlib.suppress(ValueError):
                row[name] = json.loads(row[name])
    return row
