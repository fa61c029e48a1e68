"""What the server says of waits and deadlocks, taken apart: its messages are the only ones that know the row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

TELL = "RESET ROLE; SET log_lock_waits = on; SET client_min_messages = log; SET log_min_messages = fatal"
"""Makes a superuser's session tell its client, and not the server's log, of waits longer than deadlock_timeout."""
HUSH = "RESET ROLE; RESET log_lock_waits; RESET client_min_messages; RESET log_min_messages"

_LOGGED = re.compile(r"process \d+ (still waiting|detected deadlock while waiting) for (\w+) on (.+) after [\d.]+ ms")
_GATE = "PL/pgSQL function harness.gate(integer) line"
_EDGE = re.compile(r"Process (\d+) waits for (\w+) on (.+); blocked by process (\d+)\.")
_OBJECTS = (
    ("relation", re.compile(r"relation (\d+) of database \d+")),
    ("tuple", re.compile(r"tuple \((?P<tid>\d+,\d+)\) of relation (\d+) of database \d+")),
    ("transaction", re.compile(r"transaction (\d+)")),
    ("advisory", re.compile(r"advisory lock \[\d+,(\d+),(\d+),(\d+)\]")),
)
_ROW = re.compile(r'while ([a-z ]+?) (?:tuple |version )?\((\d+,\d+)\)(?: of tuple)? in relation "(.+)"', re.M)
_LINE = re.compile(r"^PL/pgSQL function (.+?)(?:\(.*\))? line (\d+)", re.M)
_STRENGTH = re.compile(r"\bfor\s+(no\s+key\s+update|update|key\s+share|share)\b", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A lock that a backend waits for. ``mode``: as the server names it (``ShareLock``). ``kind``: relation, tuple (a
    place in the queue for a row), transaction, advisory, or "" for any other. ``ident``: its numbers: an oid; an oid;
    a transaction id; the parts of a key. A row is known by the table (or index) of that name or oid and the tuple's
    place in it, ``tid``; ``doing``: what for ("updating"). ``line``: ``function:line`` where it was asked for,
    ``strength``: FOR UPDATE and the like, each "" when the server does not say. ``final``: it closed a cycle."""

    mode: str
    kind: str
    ident: tuple[int, ...] = ()
    tid: str = ""
    table: str | int = ""
    doing: str = ""
    line: str = ""
    strength: str = ""
    final: bool = False


def logged_wait(said: str, context: str) -> Wanted | None:
    """What `log_lock_waits` tells of a wait that has lasted for deadlock_timeout; None: it is about something else."""
    found = _LOGGED.fullmatch(said)
    if found is None or _GATE in context:
        return None
    return with_context(replace(_wanted(found[2], found[3]), final=found[1].startswith("detected")), context)


def edges(detail: str) -> Iterator[tuple[int, Wanted, int]]:
    """The cycle in the DETAIL of a 40P01: per member its backend, what it waits for, and the backend that has that."""
    for pid, mode, on, blocker in _EDGE.findall(detail):
        yield int(pid), _wanted(mode, on), int(blocker)


def with_context(wanted: Wanted, context: str) -> Wanted:
    """What the CONTEXT of the message adds."""
    row, line, strength = _ROW.search(context), _LINE.search(context), _STRENGTH.search(context)
    if row is not None and wanted.kind == "transaction":
        wanted = replace(wanted, doing=row[1], tid=row[2], table=row[3])
    return replace(wanted, line=f"{line[1]}:{line[2]}" if line else "", strength=strength_of(strength))


def strength_in(sql: str) -> str:
    """The row lock that a statement names: ``FOR UPDATE``, …; "": none."""
    return strength_of(_STRENGTH.search(sql))


def strength_of(found: re.Match[str] | None) -> str:
    return " ".join(found[0].upper().split()) if found is not None else ""


def _wanted(mode: str, on: str) -> Wanted:
    for kind, pattern in _OBJECTS:
        if (found := pattern.fullmatch(on)) is not None:
            tid = found.groupdict().get("tid") or ""
            numbers = tuple(int(n) for n in found.groups() if n != tid)
            return Wanted(mode=mode, kind=kind, ident=numbers, tid=tid)
    return Wanted(mode=mode, kind="")
