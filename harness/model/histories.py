"""What happened in an execution, turn by turn, and the schedule that made it happen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.model.choices import Choice
from harness.model.points import UNTOUCHED, Footprint
from harness.model.values import Ledger, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one turn did, as far as the order of turns can matter. ``workers``: all that moved in it, the chosen one
    and those that its commit woke. ``footprint``: of what they executed; its reads are those whose snapshot was taken
    in this turn. ``ended``: tables that a transaction (or part of one) which ended in this turn had written or locked.
    ``snapshot``: a snapshot for a whole transaction was taken. Of a SERIALIZABLE transaction also ``seen``: what it
    touched in this turn, under whatever snapshot; ``held``: all that it has touched so far; ``commits``: it ended;
    ``crowded``: more than two workers take part, so that a third one's conflicts may count."""

    workers: frozenset[str]
    footprint: Footprint = UNTOUCHED
    ended: frozenset[str] = frozenset()
    ended_everything: bool = False
    snapshot: bool = False
    seen: Footprint = UNTOUCHED
    held: Footprint = UNTOUCHED
    commits: bool = False
    crowded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A choice, the choices it was taken from (in worker order), and whether it ended up blocked."""

    choice: Choice
    enabled: tuple[Choice, ...]
    blocked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Seed and decisions: replaying the decisions repeats the execution; the seed only regenerates them."""

    seed: int
    decisions: tuple[Decision, ...]


class EventKind(StrEnum):
    """Kinds of events. An operation is ``invoke`` and then one of ``ok`` (the server answered), ``fail`` (an error,
    certainly no effect) or ``info`` (unknown effect). ``step``: a worker held inside an operation was let go on
    (``step``: the site). ``fault``: what was done to a worker's connection or statement, of which it learns only by
    its next completion."""

    INVOKE = "invoke"
    STEP = "step"
    OK = "ok"
    FAIL = "fail"
    INFO = "info"
    BLOCKED = "blocked"
    WOKEN = "woken"
    DEADLOCK = "deadlock"
    CRASH = "crash"
    SIGTERM = "sigterm"
    FAULT = "fault"
    END = "end"
    LEDGER = "ledger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened. ``turn`` is the index of the decision (T0, T1, …) during which it did.

    ``answer``: rows of the statement. ``blockers``: names of the workers waited for. ``ledger``: committed state
    (of a server's crash: what that was before, where it could be read). ``cycle``: of a deadlock, as far as the server
    told: who holds what and waits for what, a row per worker, each waiting for what the next one holds; see
    `harness/checks/cycles.py`. ``at_us``: microseconds since the execution began; the only volatile field.
    """

    kind: EventKind
    turn: int
    worker: str = ""
    step: str = ""
    sql: str | None = None
    answer: tuple[Row, ...] | None = None
    sqlstate: str | None = None
    message: str | None = None
    blockers: tuple[str, ...] = ()
    ledger: Ledger | None = None
    cycle: tuple[Row, ...] = ()
    at_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Liveness:
    """What was left when an execution ended: workers still waiting, sessions still in a transaction, locks held."""

    waiting: tuple[str, ...] = ()
    idle_in_transaction: tuple[str, ...] = ()
    locks: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything that happened in one execution, in order, with names in place of generated ids."""

    events: tuple[Event, ...]
    opening: Ledger
    """The ledger after the set-up, before the first step."""
    closing: Ledger
    """The ledger when the last worker had ended."""
    liveness: Liveness = Liveness()


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One run of one schedule."""

    number: int
    schedule: Schedule
    history: History
