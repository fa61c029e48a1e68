"""What a queue is told, what befalls its workers, and what comes of it. All times are in milliseconds of a clock that
nobody waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Bull's own names and defaults (its REFERENCE.md). ``lock_renew_time`` None: half of ``lock_duration``.
    ``stalled_interval`` 0: never checked. ``backoff``: delay before a retry; with ``exponential`` before the n-th retry
    (2ⁿ - 1) times as much."""

    lock_duration: int = 30_000
    lock_renew_time: int | None = None
    stalled_interval: int = 30_000
    max_stalled_count: int = 1
    attempts: int = 1
    backoff: int = 0
    exponential: bool = False

    def __post_init__(self) -> None:
        if self.lock_duration < 1 or (self.lock_renew_time is not None and self.lock_renew_time < 1):
            raise ValueError("lock_duration and lock_renew_time must be at least 1 ms")
        if min(self.stalled_interval, self.max_stalled_count, self.backoff) < 0 or self.attempts < 1:
            raise ValueError(
                "stalled_interval, max_stalled_count and backoff must not be negative, attempts at least 1"
            )

    @property
    def renewal(self) -> int:
        """Time between two renewals of a lock."""
        return self.lock_renew_time if self.lock_renew_time is not None else max(self.lock_duration // 2, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What befalls a worker in the n-th delivery (from 1) that it is given; times count from when it was given.

    ``takes``: how long its processor works, None: longer than anything else. ``fails``: it ends with an error.
    ``silent_from``: from then on no renewal of its lock gets through, though it lives on. ``dies_at``: its process ends
    there and then, and takes no job any more.
    """

    worker: str
    delivery: int = 1
    takes: int | None = 1_000
    fails: bool = False
    silent_from: int | None = None
    dies_at: int | None = None


class Outcome(StrEnum):
    """How a delivery ended, for the queue. ``UNHEARD``: its lock had gone by then, so that its end counts for nothing.
    ``DIED``: its process did. ``ZOMBIE``: it never ends, and has lost its lock."""

    COMPLETED = "completed"
    FAILED = "failed"
    UNHEARD = "unheard"
    DIED = "died"
    ZOMBIE = "zombie"


class JobState(StrEnum):
    """Where a job is when nothing more can happen. ``WAITING``: nobody is left to take it. ``ACTIVE``: whoever has it
    keeps its lock for ever, or nobody looks for stalled jobs."""

    COMPLETED = "completed"
    FAILED = "failed"
    WAITING = "waiting"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A job in a worker's hands, from ``began`` until the worker did no more for it (``ended`` None: never).
    ``owned_until``: when the queue ceased to count the job as this worker's (None: never): at ``ended`` if that was
    heard, else at the check that found the job stalled, before or after."""

    job: str
    worker: str
    began: int
    ended: int | None
    owned_until: int | None
    outcome: Outcome | None
    """None: the worker holds its lock for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Deliveries in the order in which they began, and what became of the jobs."""

    deliveries: tuple[Delivery, ...]
    jobs: Mapping[str, JobState]
