"""The job queue of a soak: what each worker does next, drawn from the seed, and which jobs are handed out again."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence

from harness.soak.calls import user_id
from harness.soaked import Fault, Job, Kind, Operation

_RECENT = 200
_STALLED_OF_REFUNDS = 0.5
_SHARES = ((Kind.CHARGE, 40), (Kind.COMPLETE, 15), (Kind.REFUND, 35), (Kind.RETRY, 10))
_FAULT_SHARE = 0.02
_MOST_CHARGED = 100
_LAST_TRIES = 20
_SETTLED = ("Job not found", "Job already failed and refunded", "Job already completed")


class Queue:
    """Jobs that are open, jobs whose worker was taken for dead (``stalled``), and jobs that were done with.

    ``faults``: those to draw from, each as likely as the others.
    """

    def __init__(self, *, seed: int, workers: int, users: int, faults: Sequence[Fault]) -> None:
        self._draws = [random.Random(f"{seed}/{worker}") for worker in range(workers)]
        self._users, self._faults = users, tuple(faults)
        self._open: deque[Job] = deque()
        self._stalled: deque[Job] = deque()
        self._recent: deque[Job] = deque(maxlen=_RECENT)
        self._unsettled: dict[str, Job] = {}
        self._tries: dict[str, int] = {}
        self.jobs = 0

    def next(self, worker: int) -> tuple[Kind, Job, Fault | None]:
        """What ``worker`` does now, and the fault that it meets while it does it."""
        draw = self._draws[worker]
        fault = draw.choice(self._faults) if self._faults and draw.random() < _FAULT_SHARE else None
        if self._stalled:
            return Kind.RETRY, self._stalled.popleft(), fault
        [kind] = draw.choices([k for k, _ in _SHARES], [share for _, share in _SHARES])
        if kind is Kind.RETRY and self._recent:
            return kind, draw.choice(self._recent), fault
        if kind in (Kind.COMPLETE, Kind.REFUND) and self._open:
            job = self._open.popleft()
            self._recent.append(job)
            # The queue takes this worker for dead at once: another is given the same job while it is at it.
            if draw.random() < _STALLED_OF_REFUNDS:
                self._stalled.append(job)
            return kind, job, fault
        self.jobs += 1
        job = Job(job=f"j{self.jobs}", user=user_id(draw.randrange(self._users)), amount=draw.randint(1, _MOST_CHARGED))
        self._unsettled[job.job] = job
        return Kind.CHARGE, job, fault

    def done(self, operation: Operation) -> None:
        """An operation has ended, however it did."""
        job = operation.job
        if operation.kind is Kind.CHARGE:
            if operation.outcome == "ok":
                self._open.append(job)
            elif operation.outcome == "fail":
                self._unsettled.pop(job.job, None)  # the job was never made
            return  # of an unknown outcome: draining asks
        if operation.outcome == "ok" and _is_end(operation.answer):
            self._unsettled.pop(job.job, None)
        elif job.job in self._unsettled:
            self._recent.append(job)  # an error, or nobody knows: it may be drawn again, and draining tries it

    def to_drain(self) -> Job | None:
        """A job that is not known to have come to its end, for one more refund; None when none is left that has not
        been tried often enough."""
        for name in list(self._unsettled):
            if self._tries.get(name, 0) < _LAST_TRIES:
                self._tries[name] = self._tries.get(name, 0) + 1
                job = self._unsettled.pop(name)
                self._unsettled[name] = job  # to the end of the line
                return job
            self._unsettled.pop(name)
        return None


def _is_end(answer: object) -> bool:
    if not isinstance(answer, dict):
        return False
    return answer.get("success") is True or answer.get("error") in _SETTLED
