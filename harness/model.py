"""The vocabulary: frozen values that the rooms pass to each other. Nothing here does I/O.

A *scenario* describes workers and interleavings. A *schedule* is a list of *choices*. Executing one yields a
*history* of events. *Checks* turn a history and the ledger into *violations* and a *verdict*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = Any
"""A value as `json.loads` gives it."""

Row = Mapping[str, Json]
"""One row of a query, by column name, values as JSON."""

Ledger = Mapping[str, tuple[Row, ...]]
"""Rows of each state query (table name → rows in a fixed order)."""


class Verdict(StrEnum):
    """What a campaign may say. ``INCONCLUSIVE``: nothing was examined, so nothing was shown."""

    PASS = "pass"
    INCONCLUSIVE = "inconclusive"
    VIOLATION = "violation"
    ERROR = "error"


# ---------------------------------------------------------------------------------------------------- scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A piece of SQL with the name that errors and reports use for it (a path relative to where it was found).

    ``about``: of an invariant, what a row means, in words.
    """

    name: str
    text: str
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a statement means to the refund domain. ``kind``: refund, charge or complete; ``amount`` in credits."""

    kind: str
    job: str
    user: str
    amount: int | None = None


class StatementKind(StrEnum):
    """How a statement moves its session between "in a transaction" and "not"."""

    QUERY = "query"
    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    DDL = "ddl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One SQL command that a worker's client sends.

    ``sql`` may hold variables in psql's form ``:'name'``; they become quoted literals of this execution's ids.
    ``continue_if``: the client's own ``if``: unless every given column of the first answer row has the given value,
    the worker ends here.
    """

    name: str
    sql: str
    kind: StatementKind = StatementKind.QUERY
    call: Call | None = None
    continue_if: Mapping[str, Json] | None = None
    session_state: bool = False
    """True when the statement leaves something in the session (SET, PREPARE, LISTEN, temporary tables, …)."""


class OnSigterm(StrEnum):
    """What a worker process does with SIGTERM: close its connection and leave, or finish what it has in hand."""

    EXIT = "exit"
    FINISH = "finish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One client: its own OS process and connection. Statements run in order; an error ends it (after ROLLBACK)
    unless ``keep_going``."""

    name: str
    statements: tuple[Statement, ...]
    role: str | None = None
    on_sigterm: OnSigterm = OnSigterm.EXIT
    keep_going: bool = False


class Action(StrEnum):
    """What a choice does. ``RUN``: the worker's next statement. ``KILL``: SIGKILL of the worker process, wherever it
    is. ``TERM``: SIGTERM. ``LOSE``: the next statement takes effect on the server, and SIGKILL strikes the worker
    before it has read the answer."""

    RUN = "run"
    KILL = "kill"
    TERM = "term"
    LOSE = "lose"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Choice:
    """One scheduling decision: this worker, this action; ``step`` is the statement's name ("" for KILL and TERM)."""

    worker: str
    step: str = ""
    action: Action = Action.RUN

    def __str__(self) -> str:
        if self.action is Action.RUN:
            return f"{self.worker}.{self.step}"
        if self.action is Action.LOSE:
            return f"{self.worker}.{self.step}!killed"
        return f"{self.worker}.{self.action.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStep:
    """A choice of an exact order, and whether it must end up blocked behind another worker."""

    choice: Choice
    blocked: bool = False


Expectation = Mapping[str, Json] | tuple[Mapping[str, Json], ...]
"""What a worker must answer: a mapping is matched against its last answer, a tuple against all of them in turn.
A mapping matches when each of its keys has that value in the answer; the key ``sqlstate`` matches an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An exact interleaving, step by step; its ``expect`` comes on top of the scenario's."""

    steps: tuple[OrderStep, ...]
    expect: Mapping[str, Expectation] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """An interleaving left to a strategy. ``schedules`` limits how many executions it may use (None: the default)."""

    strategy: str
    schedules: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario file, resolved: every script read, every macro expanded, every name checked."""

    name: str
    about: str
    file: str
    text_hash: str
    """SHA-256 (hex) over the file and every script it installs or uses."""
    install: tuple[Script, ...]
    setup: tuple[Script, ...]
    workers: tuple[Worker, ...]
    interleavings: tuple[Order | Search, ...]
    expect: Mapping[str, Expectation]
    expect_violation: tuple[str, ...]
    invariants: tuple[Script, ...]
    state: tuple[Script, ...]
    users: tuple[str, ...]
    jobs: tuple[str, ...]
    fresh_database: bool
    """Every execution gets a database of its own (the scenario changes the schema or does not use fresh ids)."""


# ------------------------------------------------------------------------------------------ schedule and history


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
    certainly no effect) or ``info`` (unknown effect)."""

    INVOKE = "invoke"
    OK = "ok"
    FAIL = "fail"
    INFO = "info"
    BLOCKED = "blocked"
    WOKEN = "woken"
    DEADLOCK = "deadlock"
    CRASH = "crash"
    SIGTERM = "sigterm"
    END = "end"
    LEDGER = "ledger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened. ``turn`` is the index of the decision (T0, T1, …) during which it did.

    ``answer``: rows of the statement. ``blockers``: names of the workers waited for. ``ledger``: committed state.
    ``at_us``: microseconds since the execution began; the only volatile field.
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


# ---------------------------------------------------------------------------------------------------- judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A check that failed, with its witnesses. ``message``: one sentence in words. ``turn``: where it showed."""

    check: str
    message: str
    witness: tuple[Row, ...] = ()
    turn: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """``examined`` counts what was looked at, so that "passed" and "looked at nothing" stay apart.

    ``notes``: findings of the weaker kind (the money is right, an answer is not what a serial run gives): reported,
    never red.
    """

    check: str
    examined: int
    violations: tuple[Violation, ...] = ()
    notes: tuple[Violation, ...] = ()

    @property
    def verdict(self) -> Verdict:
        if self.violations:
            return Verdict.VIOLATION
        return Verdict.PASS if self.examined else Verdict.INCONCLUSIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterexample:
    """A violating execution with everything a report needs. ``replay``: path of the saved schedule."""

    scenario: str
    execution: Execution
    violations: tuple[Violation, ...]
    replay: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioResult:
    """The outcome of one scenario's campaign. ``observed`` is what was seen, ``verdict`` is after ``expect``."""

    name: str
    file: str
    about: str
    verdict: Verdict
    observed: Verdict
    expect: tuple[str, ...]
    strategy: str
    schedules: int
    exhausted: bool
    meaning: str
    elapsed_s: float
    schedules_to_first_violation: int | None = None
    seconds_to_first_violation: float | None = None
    counterexamples: tuple[Counterexample, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    """Per check, the sum over all executions; of its violations and notes the first few."""
    passing: Execution | None = None
    """A representative execution without violation, for the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A whole run: what `results.json` is written from."""

    verdict: Verdict
    seed: int
    server_version: str
    elapsed_s: float
    scenarios: tuple[ScenarioResult, ...]
