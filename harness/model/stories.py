"""What a reader needs beside a history to understand a violation: sessions, sources, causes, an order that is right."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.model.histories import Execution
from harness.model.values import Json


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
    ``advisory`` or as pg_locks calls it. ``on``: the table or the key ("" where it has none). ``mode``: as pg_locks
    says it."""

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
    ``OVERWRITTEN``: a change that ``other`` committed was replaced by a value that ``worker`` had computed before.
    ``UNSEEN``: ``worker`` looked for rows and found none because ``other`` had not yet committed one, and acted on it.
    ``RETRIED``: ``worker`` did again what ``other`` had done (a retry after a fault). ``INTERRUPTED``: a fault ended
    ``worker`` between two writes that belong together. ``ALONE``: no other worker is needed for it."""

    STALE_READ = "stale_read"
    OVERWRITTEN = "overwritten"
    UNSEEN = "unseen"
    RETRIED = "retried"
    INTERRUPTED = "interrupted"
    ALONE = "alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One cause of a violation, read off the history. ``table``, ``columns``: what was read and changed.
    ``read_turn``: when ``worker`` took the snapshot; ``changed_turn``: when ``other``'s change was committed;
    ``acted_turn``: when ``worker`` wrote by what it had read (None: does not apply). ``before``, ``after``: of the
    first of ``columns``, where it was one row."""

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
