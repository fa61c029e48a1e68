"""What a reader needs beside a history to understand a violation: sessions, sources, causes, an order that is right."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from harness.model.histories import Execution
from harness.model.values import Json

_SITE = re.compile(r"(?P<function>.+):(?P<line>\d+)(?:\.\d+)?~?", re.DOTALL)


class SessionState(StrEnum):
    """``IDLE``: connected, in no transaction. ``ACTIVE``: held inside a statement, or between two of a transaction.
    ``WAITING``: for a lock. ``ENDED``: it has done all that it had to do. ``GONE``: its process or session is dead."""

    IDLE = "idle"
    ACTIVE = "active"
    WAITING = "waiting"
    ENDED = "ended"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLock:
    """A lock of a session, held or (not ``granted``) awaited. ``kind``: ``table``, ``row``, ``transaction``,
    ``advisory`` or as pg_locks calls it. ``on``: the table (``jobs``); of a row also its key, unless the server made
    that up (``jobs (id j1)``); of a transaction whose it is; of an advisory lock its key (``42``, ``1, 2``), where keys
    may be made from ids of the execution its number among those seen so far (``#1``). ``mode``: as pg_locks says it; of
    a row that is held FOR UPDATE and the like, where the statement or the row says so, else ""."""

    kind: str
    on: str
    mode: str
    granted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionMoment:
    """One worker's session right after a turn. ``at``: the step before which it stands, or in which it waits ("" for
    none). ``waits_for``: names of workers."""

    worker: str
    state: SessionState
    at: str = ""
    waits_for: tuple[str, ...] = ()
    locks: tuple[HeldLock, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """All sessions right after a turn, in the order of the workers."""

    turn: int
    sessions: tuple[SessionMoment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A function that a step of the history stands in. ``function``: as in the names of sites (``refund:41`` is line 41
    of ``refund``). ``body``: as the server keeps it; its first line is line 1. ``file``, ``first_line``: where line 1
    of the body stands in the SQL that was installed ("" and 0: not known)."""

    function: str
    body: str
    file: str = ""
    first_line: int = 0


class ReasonKind(StrEnum):
    """``STALE_READ``: ``worker`` read a value, ``other`` committed a change of it, ``worker`` acted on the old one.
    ``GONE``: likewise of a row that ``other`` removed. ``OVERWRITTEN``: a change that ``other`` committed was replaced
    by a value that ``worker`` had computed before. ``UNSEEN``: ``worker`` looked for rows and did not see one that
    ``other`` had not yet committed, and acted without it. ``RETRIED``: ``worker`` did again what ``other`` had done (a
    retry after a fault). ``INTERRUPTED``: a fault ended ``worker`` between two writes that belong together.
    ``FAILED``: a statement of ``worker`` failed, which took back what it had done, and ``worker`` went on. ``ALONE``:
    the calls break it one after the other, in no race (``worker``: who alone does, "": all of them)."""

    STALE_READ = "stale_read"
    OVERWRITTEN = "overwritten"
    GONE = "gone"
    UNSEEN = "unseen"
    RETRIED = "retried"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    ALONE = "alone"


class Remedy(StrEnum):
    """What would have kept it apart, where that is certain. ``LOCK_WAITS``: had the row been locked when it was read,
    ``worker`` would have waited there; ``LOCK_HOLDS``: ``other`` would have, before its change. ``TOGETHER``: no lock
    lasts from the read to the write, which belong to two transactions. ``NO_ROW``: a row that is not there yet cannot
    be locked."""

    LOCK_WAITS = "lock_waits"
    LOCK_HOLDS = "lock_holds"
    TOGETHER = "together"
    NO_ROW = "no_row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One cause of a violation, read off the history. ``table``, ``columns``: what was read and changed.
    ``read_turn``: when ``worker`` took the snapshot; ``changed_turn``: when ``other``'s change was committed (of
    ``FAILED``: when the statement failed); ``acted_turn``: when ``worker`` wrote by what it had read, which may lie
    before ``changed_turn`` (None: does not apply). ``before``, ``after``: of the first of ``columns``, where it was one
    row. ``remedy``: None where nothing is certain."""

    kind: ReasonKind
    worker: str
    other: str = ""
    table: str = ""
    columns: tuple[str, ...] = ()
    read_turn: int | None = None
    changed_turn: int | None = None
    acted_turn: int | None = None
    before: Json = None
    after: Json = None
    remedy: Remedy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """Of the executions that violate nothing, one whose choices agree longest with the counterexample's. ``agrees``:
    the first so many turns are the same; turn ``agrees`` is the first difference. ``replay``: path of its saved
    schedule ("": it was not saved)."""

    execution: Execution
    agrees: int
    replay: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """``moments``: one per turn (none where they were not looked at). ``reasons``: the most telling one first."""

    moments: tuple[Moment, ...] = ()
    sources: tuple[Source, ...] = ()
    reasons: tuple[Reason, ...] = ()
    nearest: Nearest | None = None


UNTOLD = Story()
"""Of a violation that nobody looked into."""


def site_of(step: str) -> tuple[str, int] | None:
    """(function, line of its body) of a site's name: ``refund:41``, ``refund:41.2``, ``refund:41~``; None for the name
    of a statement."""
    found = _SITE.fullmatch(step)
    return (found["function"], int(found["line"])) if found else None


def source_line(sources: Iterable[Source], step: str) -> tuple[str, int] | None:
    """(file, line in it, from 1) of a step inside a function; None where that is not known, and for a statement that a
    client sends."""
    site = site_of(step)
    if site is None:
        return None
    found = next((s for s in sources if s.function == site[0] and s.file), None)
    return None if found is None else (found.file, found.first_line + site[1] - 1)
