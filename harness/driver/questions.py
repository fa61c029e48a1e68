"""What a client asks: its messages cut into questions, each of which the server answers as one. No input or output."""

from __future__ import annotations

import re
import struct
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.model import Json
from harness.wire.content import strings
from harness.wire.frames import Frame

_CHATTER = re.compile(
    r"\s*(show\b"
    r"|select\s+(pg_catalog\.)?(version|current_schema|current_database|pg_backend_pid|pg_is_in_recovery)\(\)\s*;?\s*$"
    r"|(select|with)\b.*\b(from|join)\s+(pg_catalog\.)?pg_(type|range|namespace|settings)\b)",
    re.IGNORECASE | re.DOTALL,
)
"""What drivers ask of the server itself when they begin: no order of these could matter."""
_BEGIN = re.compile(r"\s*begin\s*;?\s*$", re.IGNORECASE)
_END = re.compile(r"\s*(commit|rollback)\s*;?\s*$", re.IGNORECASE)
_SAVEPOINT = re.compile(r"\s*(savepoint|release|rollback\s+to)\b", re.IGNORECASE)
_INTEGERS = {20: ">q", 21: ">h", 23: ">i", 26: ">I"}
_FLOATS = {700: ">f", 701: ">d"}
_BOOLEAN, _UUID = 16, 2950
_TEXTS = (0, 18, 19, 25, 114, 705, 1042, 1043)


@dataclass(frozen=True, slots=True)
class Column:
    """Of a result: its name, the oid of its type, and whether it comes in binary."""

    name: str
    oid: int
    binary: bool = False


@dataclass(slots=True)
class Described:
    """A statement that was parsed. ``types``: of its parameters; ``columns``: as far as the server has told them."""

    sql: str = ""
    types: tuple[int, ...] = ()
    columns: tuple[Column, ...] = ()


@dataclass(slots=True)
class Question:
    """Messages up to a Query, a Sync or a Flush. ``sql``: the texts that are executed, each with its ``values``
    (``$1``, …; `UNREADABLE` for one that is not understood). ``columns``: of the last one's result, where the server
    has told them before. ``asks``: statements that the server is to describe. ``flushed``: it ends with a Flush, so
    that the server will not say that it is ready."""

    frames: list[Frame] = field(default_factory=list)
    sql: list[str] = field(default_factory=list)
    values: list[list[Json]] = field(default_factory=list)
    columns: tuple[Column, ...] = ()
    asks: list[Described] = field(default_factory=list)
    flushed: bool = False

    @property
    def chatter(self) -> bool:
        """Nothing is executed, or nothing whose order could matter."""
        return all(_CHATTER.match(sql) for sql in self.sql)

    @property
    def begins(self) -> bool:
        """A BEGIN that says nothing more."""
        return len(self.sql) == 1 and _BEGIN.match(self.sql[0]) is not None

    @property
    def marks(self) -> bool:
        """A SAVEPOINT, or what becomes of one."""
        return len(self.sql) == 1 and _SAVEPOINT.match(self.sql[0]) is not None

    @property
    def ends(self) -> bool:
        """A plain COMMIT or ROLLBACK."""
        return len(self.sql) == 1 and _END.match(self.sql[0]) is not None


UNREADABLE = {"unreadable": True}


class Questions:
    """Cuts one connection's messages; tell it all of them but those with which a connection begins."""

    def __init__(self) -> None:
        self._current = Question()
        self._statements: dict[str, Described] = {}
        self._portals: dict[str, tuple[Described, list[Json], tuple[int, ...]]] = {}

    @property
    def flushing(self) -> bool:
        """What was executed last was followed by a Flush, and by nothing yet."""
        current = self._current
        return bool(current.sql) and current.frames[-1].kind == "Flush"

    def take(self, frame: Frame) -> Question | None:
        """The question that ``frame`` completes, if it does."""
        current = self._current
        current.frames.append(frame)
        match frame.kind:
            case "Query":
                self._executes(strings(frame, 1)[0], [], ())
            case "Parse":
                name, sql = strings(frame, 2)
                self._statements[name] = Described(sql, _types(frame, name, sql))
            case "Describe" if frame.body[:1] == b"S":
                current.asks.append(self._statements.get(strings(frame, 1, skip=1)[0], Described()))
            case "Bind":
                portal, name = strings(frame, 2)
                statement = self._statements.get(name, Described())
                self._portals[portal] = statement, *_bound(frame, portal, name, statement.types)
            case "Execute":
                statement, values, formats = self._portals.get(strings(frame, 1)[0], (Described(), [], ()))
                self._executes(statement.sql, values, tuple(_formatted(statement.columns, formats)))
            case "FunctionCall":
                self._executes("function call", [], ())
        if frame.kind not in ("Query", "Sync", "Flush", "FunctionCall") or self.flushing:
            return None
        current.flushed = frame.kind == "Flush"
        self._current = Question()
        return current

    def _executes(self, sql: str, values: list[Json], columns: tuple[Column, ...]) -> None:
        self._current.sql.append(sql)
        self._current.values.append(values)
        self._current.columns = columns


def _formatted(columns: Sequence[Column], formats: Sequence[int]) -> Iterator[Column]:
    for i, column in enumerate(columns):
        binary = bool(formats and formats[i if len(formats) > 1 else 0])
        yield Column(column.name, column.oid, binary)


def value_of(raw: bytes | None, oid: int, binary: bool) -> Json:
    """A parameter or a column as a JSON value; `UNREADABLE` where the binary form of its type is not known here."""
    if raw is None:
        return None
    if binary and oid in _INTEGERS and len(raw) == struct.calcsize(_INTEGERS[oid]):
        return struct.unpack(_INTEGERS[oid], raw)[0]
    if binary and oid in _FLOATS and len(raw) == struct.calcsize(_FLOATS[oid]):
        return struct.unpack(_FLOATS[oid], raw)[0]
    if binary and oid == _BOOLEAN:
        return raw == b"\1"
    if binary and oid == _UUID and len(raw) == 16:
        return str(uuid.UUID(bytes=raw))
    if binary and oid not in _TEXTS:
        return UNREADABLE
    text = raw.decode(errors="replace")
    if oid in _INTEGERS and not binary and re.fullmatch(r"-?\d+", text):
        return int(text)
    if oid in _FLOATS and not binary and text not in ("NaN", "Infinity", "-Infinity"):
        return float(text)
    return text == "t" if oid == _BOOLEAN and not binary else text


def _types(frame: Frame, name: str, sql: str) -> tuple[int, ...]:
    """The types that a Parse declares for its parameters."""
    at = len(name.encode()) + len(sql.encode()) + 2
    try:
        (count,) = struct.unpack_from(">H", frame.body, at)
        return struct.unpack_from(f">{count}I", frame.body, at + 2)
    except struct.error:
        return ()


def _bound(frame: Frame, portal: str, name: str, types: Sequence[int]) -> tuple[list[Json], tuple[int, ...]]:
    """The parameters of a Bind, and the formats in which it wants the result."""
    body, at, values = frame.body, len(portal.encode()) + len(name.encode()) + 2, list[Json]()
    try:
        formats, at = _formats(body, at)
        (parameters,) = struct.unpack_from(">H", body, at)
        at += 2
        for i in range(parameters):
            (size,) = struct.unpack_from(">i", body, at)
            at += 4
            raw = None if size < 0 else body[at : at + size]
            at += max(size, 0)
            binary = bool(formats and formats[i if len(formats) > 1 else 0])
            values.append(value_of(raw, types[i] if i < len(types) else 0, binary))
        return values, _formats(body, at)[0]
    except (struct.error, IndexError):
        return values, ()


def _formats(body: bytes, at: int) -> tuple[tuple[int, ...], int]:
    """A list of formats, and where it ends."""
    (count,) = struct.unpack_from(">H", body, at)
    return struct.unpack_from(f">{count}H", body, at + 2), at + 2 + 2 * count
