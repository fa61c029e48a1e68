"""What has happened in a soak so far: figures, and the history of jobs."""

from __future__ import annotations

import threading
from collections import Counter, deque

from harness.soak.histogram import Histogram
from harness.soaked import Fault, FaultMark, Kind, Latency, Operation, Sample, Told

DEADLOCK_DETECTED = "40P01"
_JOBS_KEPT = 50_000
_SAMPLES_KEPT = 1_200
_DEADLOCKS_KEPT = 20
_CANCELED = "57014"


class Log:
    """Written by the loop alone; `told_now` may be asked by another thread.

    Operations are kept for the last 50,000 jobs; what workers were told is kept for all. When there are too many
    samples, every other one goes, so that a soak of days makes a picture too.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.refunds: Counter[str] = Counter()
        self.completed: set[str] = set()
        self.outcomes: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.faults: Counter[Fault] = Counter()
        self.marks: deque[FaultMark] = deque(maxlen=10 * _SAMPLES_KEPT)
        self.samples: list[Sample] = []
        self.deadlocks = 0
        self.deadlocked: list[Operation] = []
        """The first few of those."""
        self.operations = 0
        self._by_job: dict[str, list[Operation]] = {}
        self._latencies = {kind: Histogram() for kind in Kind}
        self._all = Histogram()
        self._window = Histogram()
        self._window_began_s = 0.0

    def add(self, operation: Operation) -> None:
        """Note an operation that has ended."""
        self.operations += 1
        self.outcomes[operation.outcome] += 1
        with self._lock:
            if operation.refunded:
                self.refunds[operation.job.job] += 1
            if operation.completed:
                self.completed.add(operation.job.job)
        if operation.outcome == "fail":
            if operation.sqlstate == DEADLOCK_DETECTED:
                self.deadlocks += 1
                self.deadlocked += [operation] if len(self.deadlocked) < _DEADLOCKS_KEPT else []
            # A cancel may hit the call after the one that it was meant for.
            if operation.sqlstate != _CANCELED or not self.faults[Fault.CANCEL]:
                self.errors[f"{operation.sqlstate} {operation.answer}"] += 1
        elif operation.outcome == "ok":
            took = operation.end_s - operation.begin_s
            for histogram in (self._latencies[operation.kind], self._all, self._window):
                histogram.add(took)
        self._by_job.setdefault(operation.job.job, []).append(operation)
        if len(self._by_job) > _JOBS_KEPT:
            self._by_job.pop(next(iter(self._by_job)))

    def fault(self, fault: Fault, at_s: float) -> None:
        """Note that a fault was done."""
        self.faults[fault] += 1
        self.marks.append(FaultMark(at_s=at_s, fault=fault))

    def sample(self, at_s: float, lock_waits: int) -> Sample:
        """End the stretch of time that began with the last sample."""
        window, took = self._window, at_s - self._window_began_s
        sample = Sample(
            at_s=at_s, rate=window.count / took if took > 0 else 0.0, p50_ms=window.percentile_ms(50),
            p95_ms=window.percentile_ms(95), p99_ms=window.percentile_ms(99), lock_waits=lock_waits,
            operations=self.operations, deadlocks=self.deadlocks, faults=self.faults.total(),
        )  # fmt: skip
        self._window, self._window_began_s = Histogram(), at_s
        self.samples.append(sample)
        if len(self.samples) > _SAMPLES_KEPT:
            del self.samples[::2]
        return sample

    def latencies(self) -> tuple[Latency, ...]:
        """Of each kind that was answered, and of all."""
        named = [*((kind.value, h) for kind, h in self._latencies.items()), ("all", self._all)]
        return tuple(
            Latency(
                kind=name, count=h.count, p50_ms=h.percentile_ms(50) or 0.0, p95_ms=h.percentile_ms(95) or 0.0,
                p99_ms=h.percentile_ms(99) or 0.0, max_ms=h.max_s * 1000, buckets=h.buckets_ms(),
            )
            for name, h in named
            if h.count
        )  # fmt: skip

    def told_now(self) -> Told:
        """What workers have been told up to this moment."""
        with self._lock:
            return Told(refunds=dict(self.refunds), completed=frozenset(self.completed))

    def of_job(self, job: str) -> tuple[Operation, ...]:
        """What is known of a job, by the time it began."""
        return tuple(sorted(self._by_job.get(job, ()), key=lambda o: o.begin_s))

    def of_user(self, user: str) -> tuple[Operation, ...]:
        """Of a user's kept operations, by the time they began."""
        found = [o for operations in self._by_job.values() for o in operations if o.job.user == user]
        return tuple(sorted(found, key=lambda o: o.begin_s))
