"""One worker during one execution: how far it is, what it waits for, what it may do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from harness.driver.attempts import is_last_of_attempt
from harness.driver.compose import Compose
from harness.driver.pool import WorkerProcess
from harness.driver.wire import Message
from harness.model import Choice, Json, Site, Statement, StatementKind, Worker

_IDLE_TX = 0  # libpq's PQTRANS_IDLE


class State(Enum):
    """READY: its next statement may be sent. PARKED: held at a gate inside its statement. RUNNING: let go, no answer
    yet. BLOCKED: waits for another worker's lock. ENDED: nothing more to do. DEAD: its process was killed."""

    READY = auto()
    PARKED = auto()
    RUNNING = auto()
    BLOCKED = auto()
    ENDED = auto()
    DEAD = auto()


@dataclass(slots=True, eq=False)
class Client:
    """A worker of the plan and the process that plays it."""

    worker: Worker
    process: WorkerProcess
    backend: int
    state: State = State.READY
    position: int = 0
    in_transaction: bool = False
    asked: int = 0
    """Number of its current statement among all that were sent: who asked first."""
    asked_at: float = 0.0
    """Clock reading (seconds) at which that was sent."""
    blocked_since: float = 0.0
    """Clock reading (seconds) at which the current wait was first seen."""
    checked: bool = False
    """The deadlock check of its current wait is over."""
    waits_for: tuple[int, ...] = ()
    """Backends that it was seen to wait for."""
    deadlocked: bool = False
    """Its current statement is known to have closed a cycle of waits."""
    woken: bool = False
    """It runs because its wait may be over; not in the history yet."""
    turn: int = 0
    """The number of the gate that it reached last, in all its executions."""
    site: Site | None = None
    """The gate that it reached last in its current statement."""
    stops: bool = False
    """Its own `if` has said stop; the commit that belongs to that statement is still to come."""
    after: tuple[Client, ...] = ()
    """Those that must have ended before it begins."""
    compose: Compose | None = None
    """Of a program: makes statements of what it is about to send."""
    struck: bool = False
    """A fault found something to strike."""
    along: int = 0
    """So many of its next statements it has already been given, and sends them by itself."""
    name: str = field(init=False)
    _choice: Choice | None = field(init=False, default=None)
    """That of the step which comes next, once somebody has asked for it."""

    def __post_init__(self) -> None:
        self.name = self.worker.name

    @property
    def statement(self) -> Statement:
        """The statement that runs now or comes next."""
        return self.worker.statements[self.position]

    @property
    def can_act(self) -> bool:
        if self.state is not State.READY and self.state is not State.PARKED:
            return False
        if not self.after:
            return not self.worker.if_struck
        if self.worker.if_struck and not any(other.struck for other in self.after):
            return False
        return all(other.over for other in self.after)

    @property
    def over(self) -> bool:
        """It does nothing more."""
        return self.state is State.ENDED or self.state is State.DEAD

    @property
    def in_flight(self) -> bool:
        """Its statement is under way."""
        return self.state in (State.PARKED, State.RUNNING, State.BLOCKED)

    @property
    def begun(self) -> bool:
        """It has sent something."""
        return self.position > 0 or self.in_flight

    @property
    def step(self) -> str:
        """Name of the step that runs now or comes next: a statement, or a site inside it."""
        return self.site.id if self.site is not None else self.statement.name

    @property
    def choice(self) -> Choice:
        if self._choice is None:  # asked for at every turn, of every worker
            self._choice = Choice(worker=self.name, step=self.step)
        return self._choice

    def wake(self) -> None:
        """Its wait may be over: whether it is shows when it answers or waits again."""
        self.state, self.woken = State.RUNNING, True

    def ask(self, number: int, now: float) -> None:
        """Its statement is being sent."""
        self.state, self.asked, self.asked_at, self.deadlocked = State.RUNNING, number, now, False

    def park(self, site: Site, turn: int) -> None:
        """It has reached a gate."""
        self.site, self.turn, self.state, self._choice = site, turn, State.PARKED, None

    def advance(self) -> None:
        """The current statement is over; with the last one of an attempt the worker has ended."""
        if is_last_of_attempt(self.worker, self.position):
            self.end()
        else:
            self.go_on(self.position + 1)

    def go_on(self, position: int) -> None:
        """The statement at ``position`` comes next."""
        self.position, self.site, self.state, self._choice = position, None, State.READY, None

    def end(self) -> None:
        """Nothing more will be sent."""
        self.position, self.site, self.state = len(self.worker.statements), None, State.ENDED
        self._choice = None

    def note_transaction(self, reply: Message) -> None:
        """Take over what the server says about the session's transaction."""
        self.in_transaction = reply.get("tx", _IDLE_TX) != _IDLE_TX

    @property
    def commit_in_doubt(self) -> bool:
        """Were the client to die now in mid-statement, could the statement have taken effect all the same?"""
        return not self.in_transaction or self.statement.kind is StatementKind.COMMIT


def meets(condition: Mapping[str, Json], rows: list[dict[str, Json]]) -> bool:
    """The client's own ``if``: the first row has each given value; a single JSON object counts as the row itself."""
    if not rows:
        return False
    row = rows[0]
    if len(row) == 1:
        [value] = row.values()
        row = value if isinstance(value, dict) else row
    return all(k in row and type(row[k]) is type(v) and row[k] == v for k, v in condition.items())
