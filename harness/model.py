"""The vocabulary: frozen values that the rooms pass to each other. Nothing here does I/O.

A *scenario* describes workers and interleavings. A *schedule* is a list of *choices*. Executing one yields a
*history* of events. *Checks* turn a history and the ledger into *violations* and a *verdict*.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
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


EXIT_CODES = {Verdict.PASS: 0, Verdict.VIOLATION: 1, Verdict.INCONCLUSIVE: 3, Verdict.ERROR: 4}


# ------------------------------------------------------------------------------------------------ tables and points


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What a piece of SQL may touch, by table name without schema (a partition counts as its root, a view as what it
    reads). ``reads``: seen through a snapshot. ``writes``: rows written or locked, there or by foreign keys; also
    ``sequence NAME`` and ``advisory`` for what works alike. ``excludes``: tables locked as a whole. ``everything``:
    it cannot be told, so anything."""

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    excludes: frozenset[str] = frozenset()
    everything: bool = False

    def __or__(self, other: Footprint) -> Footprint:
        return Footprint(
            reads=self.reads | other.reads,
            writes=self.writes | other.writes,
            excludes=self.excludes | other.excludes,
            everything=self.everything or other.everything,
        )

    def __bool__(self) -> bool:
        return bool(self.everything or self.reads or self.writes or self.excludes)


class SiteKind(StrEnum):
    """Where in a function a worker can be held. ``STATEMENT``: before a statement that touches a table. ``OVERLAP``:
    inside one, after its snapshot was taken and before it scans. ``COMMIT``: before a procedure's own COMMIT or
    ROLLBACK."""

    STATEMENT = "statement"
    OVERLAP = "overlap"
    COMMIT = "commit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A yield point inside a function. ``id`` is its name in schedules (no white space): ``refund:41``, the second
    statement of a line ``refund:41.2``, an overlap point ``refund:41~``. ``number``: what the gate is called with.
    ``line``: as the server counts them in the function's body, from 1. ``label``: for people,
    ``refund:41 UPDATE user_balances``. ``footprint``: of what runs from here to the next yield point. ``text``: the
    statement, on one line. ``undoes``: the step may roll back part of its transaction (it stands in a block with an
    EXCEPTION clause), which lets go of locks."""

    id: str
    number: int
    function: str
    line: int
    label: str
    kind: SiteKind
    footprint: Footprint
    text: str = ""
    undoes: bool = False
    nests: bool = False
    """The statement runs other gated code inside itself, and goes on when that has returned."""


GATE_SQLSTATE = "RHG00"
"""SQLSTATE of the INFO message with which a worker arrives at a gate; its text is ``TURN SITE``."""
TURN_SEQUENCE = "harness_turn"
"""Temporary sequence that gives out turn numbers; a session without it passes every gate."""
LIFE_KEY = (1751215717, 0)
"""Advisory key that the controller holds exclusively as long as it lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opaque:
    """A function that runs as one step, and why: ``BEGIN ATOMIC``, STABLE, another language, …"""

    function: str
    reason: str


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


PUBLIC_ROLE = "refund_harness_public"
"""What ``role: public`` becomes: a role that has only what PUBLIC has."""

_AND_CHAIN = re.compile(r"\sand\s+chain\b", re.IGNORECASE)


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
    opens: bool = False
    """Sent together with a BEGIN of its own: its commit is then a step of its own, the next statement."""
    attempt: int = 1
    """Which attempt of its worker it belongs to, from 1, ascending: a later one begins only when this one failed."""
    tolerated: bool = False
    """Its worker goes on after an error of this statement, which leaves a transaction aborted, not rolled back."""

    @property
    def may_wait(self) -> bool:
        """Whether it could come to wait for a lock: what begins or ends a transaction does not."""
        return self.kind not in (StatementKind.BEGIN, StatementKind.COMMIT, StatementKind.ROLLBACK)

    @property
    def chains(self) -> bool:
        """A COMMIT or ROLLBACK that begins the next transaction at once."""
        return self.kind in (StatementKind.COMMIT, StatementKind.ROLLBACK) and _AND_CHAIN.search(self.sql) is not None


class OnSigterm(StrEnum):
    """What a worker process does with SIGTERM: close its connection and leave, or finish what it has in hand."""

    EXIT = "exit"
    FINISH = "finish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One client: its own OS process and connection. Statements run in order; an error ends it (after ROLLBACK)
    unless ``keep_going``, or unless it goes on with its next attempt. It ends when it comes to the end of an attempt.

    ``recovers_from``: how the SQLSTATEs begin after which a next attempt is made, if there is one ("": any).
    ``after``: workers (by name, also those that they in turn come after) that must have ended before it begins; names
    that nobody bears are passed over. ``if_struck``: it begins only if a fault has struck one of them.
    """

    name: str
    statements: tuple[Statement, ...]
    role: str | None = None
    on_sigterm: OnSigterm = OnSigterm.EXIT
    keep_going: bool = False
    recovers_from: tuple[str, ...] = ("",)
    after: tuple[str, ...] = ()
    if_struck: bool = False


class Action(StrEnum):
    """What a choice does. ``RUN``: the worker's next statement. ``KILL``: SIGKILL of the worker process, wherever it
    is. ``TERM``: SIGTERM. ``LOSE``: the next statement takes effect on the server, and SIGKILL strikes the worker
    before it has read the answer. ``RUN_ON``: SIGKILL, and the server, which does not notice, runs the statement in
    hand to its end. ``CANCEL``: pg_cancel_backend. ``BACKEND``: pg_terminate_backend. ``RESET``: the worker's
    connection is cut, and both ends live on. ``IDLE``: idle_in_transaction_session_timeout ends the session.
    ``STATEMENT_TIMEOUT``: that of the statement in hand fires. ``LOCK_TIMEOUT``: a lock that the next step needs is
    held by a stranger for longer than the worker's timeout. ``BACKEND_CRASH``: SIGKILL of the worker's backend, upon
    which the server ends all others and recovers. ``SERVER_CRASH``: SIGKILL of the postmaster and of all its processes,
    and the server is started again.

    Of the wire, at the message that carries the next statement: ``LOST_REQUEST``: the connection is lost before it,
    ``TORN_REQUEST``: with half of it through, ``LOST_ACK``: when it has taken effect, before anything of the answer has
    arrived. ``BLACK_HOLE``: nothing passes any more and nothing is closed; the worker gives up, its session lives on.
    ``HEAL``: that ends, and what was held back arrives."""

    RUN = "run"
    KILL = "kill"
    TERM = "term"
    LOSE = "lose"
    RUN_ON = "run_on"
    CANCEL = "cancel"
    BACKEND = "terminate"
    RESET = "reset"
    IDLE = "idle_timeout"
    STATEMENT_TIMEOUT = "statement_timeout"
    LOCK_TIMEOUT = "lock_timeout"
    LOST_REQUEST = "lost_request"
    TORN_REQUEST = "torn_request"
    LOST_ACK = "lost_ack"
    BLACK_HOLE = "black_hole"
    HEAL = "heal"
    BACKEND_CRASH = "backend_crash"
    SERVER_CRASH = "server_crash"

    @property
    def of_wire(self) -> bool:
        """It befalls the message that carries a statement."""
        return self in (Action.LOST_REQUEST, Action.TORN_REQUEST, Action.LOST_ACK, Action.BLACK_HOLE)

    @property
    def crashes(self) -> bool:
        """It takes everybody's connection, and all that the server had not written down."""
        return self in (Action.BACKEND_CRASH, Action.SERVER_CRASH)

    @property
    def strikes(self) -> bool:
        """It strikes a worker wherever that is, and so needs no step."""
        return self not in (Action.RUN, Action.LOSE) and not self.of_wire

    @property
    def mark(self) -> str:
        """How people call it where it stands beside a statement: ``killed`` for a lost answer, else its name."""
        return "killed" if self is Action.LOSE else self.value

    @property
    def times_out(self) -> bool:
        """It needs a timeout that is set before the struck statement is sent."""
        return self in (Action.STATEMENT_TIMEOUT, Action.LOCK_TIMEOUT)


FAULTS: Mapping[str, Action] = MappingProxyType(
    {
        "crash": Action.KILL,
        "run_on": Action.RUN_ON,
        "terminate": Action.BACKEND,
        "cancel": Action.CANCEL,
        "reset": Action.RESET,
        "lost_answer": Action.LOSE,
        "sigterm": Action.TERM,
        "idle_timeout": Action.IDLE,
        "statement_timeout": Action.STATEMENT_TIMEOUT,
        "lock_timeout": Action.LOCK_TIMEOUT,
        "lost_request": Action.LOST_REQUEST,
        "torn_request": Action.TORN_REQUEST,
        "lost_ack": Action.LOST_ACK,
        "black_hole": Action.BLACK_HOLE,
    }
)
"""Faults by the names that people give them, in the order in which they are reported."""
MARKS: Mapping[str, Action] = MappingProxyType({a.mark: a for a in Action if a is not Action.RUN and not a.strikes})
"""Faults that befall a statement, by the marks that it bears then."""


LEVELS: Mapping[str, str] = MappingProxyType(
    {
        "read_committed": "read committed",
        "repeatable_read": "repeatable read",
        "serializable": "serializable",
    }
)
"""Isolation levels by the names that people give them, as the server says them; from the weakest to the strongest."""

CRASHES: Mapping[str, Action] = MappingProxyType(
    {"backend_crash": Action.BACKEND_CRASH, "server_crash": Action.SERVER_CRASH}
)
"""Faults that need a server of their own, by name. "All faults" are those of `FAULTS`."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Choice:
    """One scheduling decision: this worker, this action; ``step`` is the statement's name ("" for what strikes a worker
    wherever it is). As text the later faults bear a mark that no statement's name can have."""

    worker: str
    step: str = ""
    action: Action = Action.RUN

    def struck_by(self, fault: Action) -> Choice:
        """``fault`` in place of this step."""
        return Choice(worker=self.worker, step="" if fault.strikes else self.step, action=fault)

    def __str__(self) -> str:
        if self.action is Action.RUN:
            return f"{self.worker}.{self.step}"
        if not self.action.strikes:
            return f"{self.worker}.{self.step}!{self.action.mark}"
        mark = "" if self.action in (Action.KILL, Action.TERM) else "!"
        return f"{self.worker}.{mark}{self.action.value}"


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


class LedgerRule(StrEnum):
    """What a single call may do to the committed ledger. ``FREE``: nothing is declared."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    FREE = "free"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(Order):
    """A single call with its declared answer: an order of one worker, which is alone. ``role``: as the file says it.
    ``call``: name of the statement whose answer counts. ``previous``: how many of the worker's first statements the
    session's previous user had sent. ``answer``: what each key must be in the answer (``sqlstate``: of an error);
    without any key, whatever is no error."""

    worker: Worker
    role: str
    call: str
    answer: Mapping[str, Json]
    ledger: LedgerRule
    previous: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """An interleaving left to a strategy. ``schedules`` limits how many executions it may use (None: the default).
    ``inside``: workers can be held inside functions and before implicit commits; otherwise only between the
    statements that their clients send."""

    strategy: str
    schedules: int | None = None
    inside: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow(Search):
    """A search of one execution: these choices, as near as they can be taken. Sites inside functions go by their
    names, so that the choices still mean something after the SQL was changed. Nothing is declared: neither waits nor
    answers."""

    choices: tuple[Choice, ...]
    name: str = ""
    strategy: str = "follow"


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
    """Every execution gets a database of its own (the scenario changes the schema)."""
    restore: bool = False
    """Before every execution what the last one touched is put back, so that none sees what another one left."""
    model: str = ""
    """Name of a plain Python ledger that says what the calls must answer and leave ("": none)."""
    faults: tuple[str, ...] = ()
    """Names of faults (keys of `FAULTS` and `CRASHES`): each strikes each worker at each of its points, and a retry
    follows."""
    levels: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    """Isolation levels (keys of `LEVELS`) to run at besides its own, and the checks that must be violated there ((): no
    check may be; None: nothing is said of it)."""
    cases: tuple[Case, ...] = ()
    """Single calls, each an execution of its own from the same set-up, judged beside whatever the workers do."""


# ------------------------------------------------------------------------------------------ schedule and history


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one turn did, as far as the order of turns can matter. ``workers``: all that moved in it, the chosen one
    and those that its commit woke. ``footprint``: of what they executed; its reads are those whose snapshot was taken
    in this turn. ``ended``: tables that a transaction (or part of one) which ended in this turn had written or locked.
    ``snapshot``: a snapshot for a whole transaction was taken. Of a SERIALIZABLE transaction also ``seen``: what it
    touched in this turn, under whatever snapshot; ``held``: all that it has touched so far; ``commits``: it ended;
    ``crowded``: more than two workers take part, so that a third one's conflicts may count."""

    workers: frozenset[str]
    footprint: Footprint = Footprint()
    ended: frozenset[str] = frozenset()
    ended_everything: bool = False
    snapshot: bool = False
    seen: Footprint = Footprint()
    held: Footprint = Footprint()
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
    """A violating execution with everything a report needs. ``replay``: path of the saved schedule. ``without``: parts
    of the scenario that it does not need. ``found_in``: the schedule that was found first, before it was shrunk."""

    scenario: str
    execution: Execution
    violations: tuple[Violation, ...]
    replay: str
    without: tuple[str, ...] = ()
    found_in: Schedule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """How far a campaign went inside functions. ``points``: the most steps that the workers took, added up. ``pairs``:
    ordered pairs of points of different workers that were seen in that order, of ``possible`` that there would be if
    nothing ever waited. ``alone``: points at which no other worker was ever under way. ``opaque``: functions that ran
    as one step. ``pruned``: executions that turned out to be equivalent to earlier ones."""

    points: int = 0
    pairs: int = 0
    possible: int = 0
    alone: tuple[str, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    pruned: int = 0


class FaultOutcome(StrEnum):
    """``HELD``: the fault struck and nothing was violated. ``NOTHING``: it found nothing to strike there, so nothing
    was shown."""

    HELD = "held"
    VIOLATED = "violated"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultCell:
    """One fault at one point of one worker: before the worker's step number ``position`` (from 0), which is ``step``
    ("": right behind its last answer).
    ``fired``: events show that it struck. ``checks``: those violated, with how many violations each. ``left``: what
    the ledger says after the retry (column → values). ``replay``: path of the saved schedule, where it is red."""

    worker: str
    position: int
    step: str
    fault: str
    outcome: FaultOutcome
    fired: bool
    checks: Mapping[str, int] = field(default_factory=dict)
    message: str = ""
    left: Mapping[str, tuple[Json, ...]] = field(default_factory=dict)
    replay: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFaults:
    """Executions in which everybody runs in a drawn order, and a fault strikes one worker on its way, each fault at
    each of its points in turn. ``searched``: in place of that, of every worker all orders with at most one fault at any
    point, few switches first; ``exhausted``: to their end, one of each class of equivalent ones. ``struck``: (worker,
    step, fault) → executions whose events show that it struck before that step. ``checks``: violated by the first one
    that was red, made smaller, with how many violations each; ``replay``: path of its schedule."""

    executed: int
    struck: Mapping[tuple[str, str, str], int]
    checks: Mapping[str, int] = field(default_factory=dict)
    replay: str = ""
    searched: bool = False
    exhausted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultMatrix:
    """Every fault of ``faults`` at every point of every worker, worker by worker, point by point. ``complete``: False
    when the time was up before the last cell. ``labels``: of steps inside functions, in words. ``drawn``: beyond the
    matrix, faults in mid-race."""

    faults: tuple[str, ...]
    cells: tuple[FaultCell, ...]
    complete: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    drawn: DrawnFaults | None = None

    @property
    def times(self) -> Mapping[tuple[str, str, str], int]:
        """(worker, step, fault) → how many times it struck there, in the matrix and in mid-race; only where it did."""
        found = Counter((c.worker, c.step, c.fault) for c in self.cells if c.fired)
        found.update(self.drawn.struck if self.drawn is not None else {})
        return {place: n for place, n in found.items() if n}


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelResult:
    """A scenario at one isolation level. ``own``: the level that it has anyway, so that this is its ordinary campaign.
    ``expect``: checks whose violation is documented there. ``violated``: names of checks. ``lost``: of ``schedules``
    those in which a serialization failure (40001) ended a worker. ``set_by``: workers that set a level of their own,
    which then counts. ``left_out``: exact orders, which hold for the scenario's own level only."""

    level: str
    own: bool
    verdict: Verdict
    observed: Verdict
    expect: tuple[str, ...]
    strategy: str
    schedules: int
    exhausted: bool
    lost: int
    meaning: str
    violated: tuple[str, ...] = ()
    message: str = ""
    replay: str = ""
    set_by: tuple[str, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What came of a `Case`. ``sql``: the call, with variables in place of ids. ``answered``: the answer as a mapping;
    None: there was none. ``changed``: the committed ledger is not what it was before the request. ``checks``: those
    violated, with how many violations each. ``replay``: path of the saved schedule, where it is red."""

    case: Case
    sql: str
    answered: Mapping[str, Json] | None
    changed: bool
    checks: Mapping[str, int] = field(default_factory=dict)
    message: str = ""
    replay: str = ""


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
    covered: Covered | None = None
    """None: nothing was interleaved inside functions."""
    serially: bool = False
    """The violation needs no concurrency: a serial order shows it."""
    passing: Execution | None = None
    """A representative execution without violation, for the report."""
    faults: FaultMatrix | None = None
    """None: no faults were asked for."""
    levels: tuple[LevelResult, ...] = ()
    """From the weakest to the strongest; none where no isolation levels were asked for."""
    cases: tuple[CaseResult, ...] = ()
    """Single calls that were carried out, in the file's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A whole run: what `results.json` is written from."""

    verdict: Verdict
    seed: int
    server_version: str
    elapsed_s: float
    scenarios: tuple[ScenarioResult, ...]
    trouble: str = ""
    """What went wrong beside the scenarios, or cut the run short; the verdict is "error" then."""
