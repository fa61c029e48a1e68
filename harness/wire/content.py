"""The few things that are read out of messages. Each is lenient: what is malformed reads as empty, and is passed on."""

from __future__ import annotations

import re

from harness.wire.frames import Frame

# A log may show these first words of a statement, and no other: the rest of the text may hold anything.
_COMMANDS = re.compile(
    "(?:ABORT|ALTER|ANALYZE|BEGIN|CALL|COMMIT|COPY|CREATE|DEALLOCATE|DECLARE|DELETE|DISCARD|DO|DROP|END|EXECUTE|EXPLAIN"
    "|FETCH|GRANT|INSERT|LISTEN|LOCK|MERGE|NOTIFY|PREPARE|RELEASE|RESET|REVOKE|ROLLBACK|SAVEPOINT|SELECT|SET|SHOW|START"
    r"|TABLE|TRUNCATE|UPDATE|VACUUM|VALUES|WITH)\b",
    re.IGNORECASE,
)


def strings(frame: Frame, count: int, *, skip: int = 0) -> tuple[str, ...]:
    """The first ``count`` zero-terminated strings of the body, after ``skip`` bytes."""
    pieces = frame.body[skip:].split(b"\0", count)[:count]
    texts = [piece.decode("utf-8", "replace") for piece in pieces]
    return tuple(texts + [""] * (count - len(texts)))


def command_tag(frame: Frame) -> str:
    """``COMMIT``, ``INSERT 0 1`` … of a CommandComplete; else empty."""
    return strings(frame, 1)[0] if frame.kind == "CommandComplete" else ""


def sqlstate(frame: Frame) -> str:
    """The five characters of an ErrorResponse; else empty."""
    if frame.kind == "ErrorResponse":
        for field in frame.body.split(b"\0"):
            if field[:1] == b"C":
                return field[1:].decode("ascii", "replace")
    return ""


def transaction_status(frame: Frame) -> str:
    """``I`` (none), ``T`` (open) or ``E`` (failed) of a ReadyForQuery; else empty."""
    return frame.body[:1].decode("ascii", "replace") if frame.kind == "ReadyForQuery" else ""


def loggable(frame: Frame, sql: str = "") -> str:
    """What a log may say of this message, ``sql`` being the text it stands for: a command's first word, a tag, a
    SQLSTATE, a status. Never a value."""
    word = _COMMANDS.match(sql.lstrip())
    return word[0].upper() if word else command_tag(frame) or sqlstate(frame) or transaction_status(frame)
