"""What a soak did and found: the values that pass from the soak to its reports. They lie outside the promise of
determinism: chance and the machine's speed decide what meets what."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import Enum

from harness.model import Json, Verdict

ACKNOWLEDGED = "acknowledged_refunds"
"""An acknowledged refund must be in the ledger exactly once, any other at most once."""
FORWARD = "status_forward"
"""A job that a worker was told to be completed stays so."""
LIVENESS = "liveness"
DEADLOCK = "deadlock"
DRAINED = "queue_drained"


class Kind(Enum):
    """What a worker does with a job. A *retry* is a refund of a job that another worker is refunding, or was: a queue
    that took its worker for dead."""

    CHARGE = "charge"
    COMPLETE = "complete"
    REFUND = "refund"
    RETRY = "retry"


class Fault(Enum):
    """KILL: SIGKILL of the worker's process; TERMINATE, CANCEL: pg_terminate_backend, pg_cancel_backend."""

    KILL = "kill"
    TERMINATE = "terminate"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job, its user and what that is charged for it."""

    job: str
    user: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call and what became of it; times in seconds since the soak began, as the queue saw them.

    ``outcome``: ok (also a polite refusal), fail (an error: certainly no effect), info (nobody knows). ``answer``: of
    ok the function's, else the error. ``sqlstate``: of an error, where the server gave one. ``fault``: what was done to
    it while it was under way, or just after.
    """

    number: int
    worker: int
    kind: Kind
    job: Job
    begin_s: float
    end_s: float
    outcome: str
    answer: Json
    sqlstate: str = ""
    fault: Fault | None = None

    @property
    def refunded(self) -> bool:
        """The worker was told that this call, and no other, refunded the job."""
        return self.outcome == "ok" and isinstance(self.answer, dict) and self.answer.get("refunded") is True

    @property
    def completed(self) -> bool:
        """The worker was told that this call completed the job."""
        return self.outcome == "ok" and isinstance(self.answer, dict) and self.answer.get("completed") is True


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What workers had been told at some moment: ``refunds``, job → how many were told that they had refunded it;
    ``completed``, jobs."""

    refunds: Mapping[str, int]
    completed: Set[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A stretch of time that ended at ``at_s``: answers per second, latency percentiles in milliseconds (of no answer:
    None), the most sessions that were seen to wait for a lock at once, and what was done to workers."""

    at_s: float
    rate: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    lock_waits: int
    operations: int
    deadlocks: int
    faults: int
    """The last three: since the soak began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultMark:
    """When which fault was done."""

    at_s: float
    fault: Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """One row of an invariant's query, or one acknowledgement without its refund. ``job`` and ``user``: "" when the
    row names none."""

    check: str
    job: str
    user: str
    row: tuple[tuple[str, Json], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """What the directed search made of a finding's calls. ``scenario``: the file that was written. ``replay``: the
    saved schedule, "" when nothing was violated. ``same``: the same check as in the soak was."""

    scenario: str
    verdict: Verdict
    schedules: int
    meaning: str
    replay: str = ""
    check: str = ""
    same: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong about one job, one user, or the whole ledger. ``history``: all operations on that job that are
    known, or those of that user's that overlapped; by the time they began."""

    broken: tuple[Broken, ...]
    history: tuple[Operation, ...]
    handed_over: HandOver | None = None

    @property
    def checks(self) -> tuple[str, ...]:
        """Names of the checks that found it, each once."""
        return tuple(dict.fromkeys(b.check for b in self.broken))


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Percentiles of answered operations, in milliseconds. ``buckets``: (at most so many milliseconds, how many
    operations), ascending."""

    kind: str
    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    buckets: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakResult:
    """A whole soak. ``ok``, ``fail``, ``info``: operations by outcome. ``acknowledged``: refunds that a worker was told
    of. ``errors``: SQLSTATE and text of failures that no fault explains → how many. ``draining``: operations after the
    end, without faults, until every job was completed or failed."""

    verdict: Verdict
    seed: int
    server_version: str
    elapsed_s: float
    workers: int
    users: int
    jobs: int
    operations: int
    draining: int
    ok: int
    fail: int
    info: int
    acknowledged: int
    deadlocks: int
    checked: int
    """How often the ledger was checked, the last time included."""
    faults: tuple[tuple[Fault, int], ...]
    errors: tuple[tuple[str, int], ...]
    latencies: tuple[Latency, ...]
    samples: tuple[Sample, ...]
    marks: tuple[FaultMark, ...]
    findings: tuple[Finding, ...]
    lock_waits: tuple[tuple[int, int], ...] = ()
    """(sessions that waited for a lock at once, how often it looked so), ascending; looks are a tenth of a second
    apart."""
    trouble: str = ""
    """What ended it before its time, or kept it from being reported; the verdict is "error" then."""
