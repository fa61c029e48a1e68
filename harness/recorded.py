"""Histories read back from disk: the inverse of `saving.save_history`. Never loads the driver."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.model import Event, EventKind, Execution, History, Json, Ledger, Liveness, Schedule, Violation

_EVENTS = frozenset(kind.value for kind in EventKind)
_LEFT = frozenset(f.name for f in fields(Liveness))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a history's file holds. ``violations``: () of one that violated nothing."""

    execution: Execution
    violations: tuple[Violation, ...]


def read_history(path: Path, schedule: Schedule) -> Recorded:
    """The history in ``path``, of an execution of ``schedule``. Lines of a kind that is not known here are passed over.
    Raises `UsageError` with the line."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path}:1:1: not a saved history: not UTF-8") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    return decode_history(text, str(path), schedule)


def decode_history(text: str, name: str, schedule: Schedule) -> Recorded:
    """The text of a saved history. ``name`` stands in errors. Raises `UsageError` with the line."""
    opening: dict[str, Any] | None = None
    closing: dict[str, Any] | None = None
    events: list[Event] = []
    violations: list[Violation] = []
    # Not `splitlines`: a text inside may hold what Unicode calls the end of a line.
    lines = text.removesuffix("\n").split("\n")
    for number, line in enumerate(lines, 1):
        where = f"{name}:{number}"
        fields = _fields(line, where)
        match kind := fields.pop("kind"):
            case "opening":
                opening = fields
                number_of, ledger = _read(int, fields.get("execution"), where), _ledger(fields, where)
            case "closing":
                closing = fields
                last = _ledger(fields, where)
                left = _read(Liveness, {k: v for k, v in fields.items() if k in _LEFT}, where)
            case "violation":
                violations.append(_read(Violation, fields, where))
            case _ if kind in _EVENTS:
                events.append(_read(Event, {"kind": kind, **fields}, where))
            case _:
                continue
        if opening is None:
            raise UsageError(f"{name}:1:1: not a saved history: the first line must be the opening ledger")
    if opening is None or closing is None:
        missing = "opening" if opening is None else "closing"
        raise UsageError(f"{name}:{len(lines)}:1: the history is not whole: it has no {missing} ledger")
    history = History(events=tuple(events), opening=ledger, closing=last, liveness=left)
    return Recorded(
        execution=Execution(number=number_of, schedule=schedule, history=history), violations=tuple(violations)
    )


def _fields(line: str, where: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except ValueError as error:
        column = getattr(error, "colno", 1)
        raise UsageError(f"{where}:{column}: not a saved history: a line is not JSON") from None
    except RecursionError:
        raise UsageError(f"{where}:1: not a saved history: a line is nested too deeply") from None
    if not isinstance(fields, dict) or not isinstance(fields.get("kind"), str):
        raise UsageError(f"{where}:1: not a saved history: a line is an object with a key 'kind'")
    return fields


def _ledger(fields: dict[str, Json], where: str) -> Ledger:
    ledger: Ledger = _read(Ledger, fields.get("ledger"), where)
    return ledger


def _read(kind: Any, value: Json, where: str) -> Any:
    """``value`` as a ``kind``, every field checked."""
    from pydantic import ValidationError

    try:
        return _adapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise UsageError(f"{where}:1: {f'{place}: ' if place else ''}{first['msg']}") from None


@cache
def _adapter(kind: Any) -> Any:
    """Made once per kind: that takes longer than reading many lines."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
