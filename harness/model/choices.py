"""Scheduling decisions: whose step is next, or which fault strikes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


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
