"""Bull, as far as it decides who processes which job: a state machine on a virtual clock.

What its documentation says ("Important Notes" at docs.bullmq.io/bull/important-notes, and REFERENCE.md of
OptimalBits/bull), and what this does:

- *At least once.* "In some situations, a job could be processed more than once", mostly "when a worker fails to keep a
  lock for a given job during the total duration of the processing".
- *Lock.* Taken for ``lockDuration`` (30 s), renewed every ``lockRenewTime``, "usually half lockDuration". If the time
  "elapses before the lock can be renewed, the job will be considered stalled and is automatically restarted; it will be
  double processed": because the process died, or because it was too busy to renew. It then lives on, and nobody tells
  it. (A lock that has expired cannot be renewed: `extendLock` compares tokens.)
- *Stalled check*, every ``stalledInterval`` (30 s): what was active at the check before, has not had its lock renewed
  since, and has none now, goes to the front of those that wait, at most ``maxStalledCount`` (1) times; the next time it
  has failed for good: "job stalled more than allowable limit" (`moveStalledJobsToWait`). The real one is
  run by every worker and guards itself so that one of them does it; here it comes at multiples of the interval.
- *An end counts only with the lock.* Otherwise the answer is "Missing lock for job" and the job stays active until the
  check finds it (`moveToFinished`), even when its work was done.
- *Attempts and backoff.* A processor's error is retried until ``attempts`` (1) are used up, after the backoff:
  "fixed", or "exponential", (2ⁿ - 1) · delay after the n-th attempt (`lib/backoffs.js`). Stalls are not counted as
  attempts, nor attempts as stalls.
- Redis serves the client that has waited longest: so does this, at first by the order of the list.

At one instant: locks are renewed, processors end, stalled jobs are looked for, delays run out, jobs are taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.queue.settings import Delivery, Happening, JobState, Outcome, Run, Settings


def deliveries(
    settings: Settings, jobs: Sequence[str], workers: Sequence[str], happenings: Sequence[Happening] = ()
) -> Run:
    """What the queue does with ``jobs``, all there at time 0, and these idle ``workers``, each of one job at a time.
    What no happening is said of takes a second and goes well. Deterministic. Raises `ValueError` for input that makes
    no sense: two happenings for one delivery, a name that stands twice or is unknown."""
    given = {(h.worker, h.delivery): h for h in happenings}
    if len(given) != len(happenings):
        raise ValueError("two happenings for one delivery")
    if len({*jobs}) != len(jobs) or len({*workers}) != len(workers):
        raise ValueError("a name stands twice")
    if unknown := {worker for worker, _ in given} - {*workers}:
        raise ValueError(f"no worker is called {', '.join(sorted(unknown))}")
    return _Queue(settings, jobs, workers, given).run()


@dataclass(slots=True, eq=False)
class _Work:
    """A delivery, under way until ``ended``. ``taken_away``: when the job ceased to be this worker's."""

    job: str
    began: int
    fate: Happening
    ended: int | None = None
    taken_away: int | None = None
    outcome: Outcome | None = None

    @property
    def end(self) -> int | None:
        """When the worker does no more for it: its processor's end, or its own."""
        ends = [t for t in (self.fate.takes, self.fate.dies_at) if t is not None]
        return self.began + min(ends) if ends else None

    @property
    def dies(self) -> bool:
        fate = self.fate
        return fate.dies_at is not None and (fate.takes is None or fate.dies_at <= fate.takes)

    def renewed(self, settings: Settings, now: int) -> int:
        """When its lock was taken or renewed last, at ``now`` or before."""
        if settings.renewal >= settings.lock_duration:
            return self.began  # it expires before its first renewal
        silence = [t - 1 for t in (self.fate.silent_from, self.fate.dies_at) if t is not None]
        return self.began + max(min([now - self.began, *silence]), 0) // settings.renewal * settings.renewal

    def has_lock(self, settings: Settings, now: int) -> bool:
        return now < self.renewed(settings, now) + settings.lock_duration

    def loses_lock(self, settings: Settings) -> bool:
        """Whether its lock expires sooner or later, unless its processor ends before that."""
        return (
            settings.renewal >= settings.lock_duration
            or self.fate.silent_from is not None
            or self.fate.dies_at is not None
        )


class _Queue:
    def __init__(
        self,
        settings: Settings,
        jobs: Sequence[str],
        workers: Sequence[str],
        fates: Mapping[tuple[str, int], Happening],
    ) -> None:
        self.settings, self.fates = settings, fates
        self.waiting = list(jobs)
        self.delayed: list[tuple[int, str]] = []
        self.idle = list(workers)
        self.given = dict.fromkeys(workers, 0)
        self.stalls = dict.fromkeys(jobs, 0)
        self.failures = dict.fromkeys(jobs, 0)
        self.states = dict.fromkeys(jobs, JobState.WAITING)
        self.works: list[_Work] = []
        self.active: dict[str, _Work] = {}
        """Per job that is in somebody's hands, as far as the queue knows: whose."""

    def run(self) -> Run:
        now: int | None = 0
        while now is not None:
            self._end_works(now)
            if now and self.settings.stalled_interval and now % self.settings.stalled_interval == 0:
                self._look_for_stalled(now)
            self._wake_delayed(now)
            self._give_out(now)
            now = self._next(now)
        for work in self.works:
            if work.ended is None and work.taken_away is not None:
                work.outcome = Outcome.ZOMBIE
        return Run(deliveries=tuple(_delivery(w) for w in self.works), jobs=self.states)

    def _next(self, now: int) -> int | None:
        """When something may happen next; None: never."""
        times = [end for w in self.works if w.ended is None and (end := w.end) is not None]
        times += [due for due, _ in self.delayed]
        interval = self.settings.stalled_interval
        if interval and any(w.loses_lock(self.settings) for w in self.active.values()):
            times.append((now // interval + 1) * interval)
        return min(times, default=None)

    def _end_works(self, now: int) -> None:
        for work in [w for w in self.works if w.ended is None and w.end == now]:
            work.ended = now
            heard = self.active.get(work.job) is work and work.has_lock(self.settings, now) and not work.dies
            if not work.dies:
                self.idle.append(work.fate.worker)
            if not heard:  # if it was still its own, the job stays active until the next check finds it
                work.outcome = Outcome.DIED if work.dies else Outcome.UNHEARD
                continue
            work.outcome = Outcome.FAILED if work.fate.fails else Outcome.COMPLETED
            self._take_away(work, now)
            if work.fate.fails:
                self._retry(work.job, now)
            else:
                self.states[work.job] = JobState.COMPLETED

    def _retry(self, job: str, now: int) -> None:
        self.failures[job] += 1
        n = self.failures[job]
        if n >= self.settings.attempts:
            self.states[job] = JobState.FAILED
            return
        self.states[job] = JobState.WAITING
        self.delayed.append((now + self.settings.backoff * ((2**n - 1) if self.settings.exponential else 1), job))

    def _look_for_stalled(self, now: int) -> None:
        last = now - self.settings.stalled_interval
        for job, work in list(self.active.items()):
            # The check before this one marked what was active then; a renewal since has taken the mark off.
            marked = work.began < last and work.renewed(self.settings, now) <= last
            if not marked or work.has_lock(self.settings, now):
                continue
            self._take_away(work, now)
            self.stalls[job] += 1
            if self.stalls[job] > self.settings.max_stalled_count:
                self.states[job] = JobState.FAILED
            else:
                self.states[job] = JobState.WAITING
                self.waiting.insert(0, job)

    def _wake_delayed(self, now: int) -> None:
        self.waiting += [job for due, job in sorted(self.delayed, key=lambda d: d[0]) if due <= now]
        self.delayed = [d for d in self.delayed if d[0] > now]

    def _give_out(self, now: int) -> None:
        while self.waiting and self.idle:
            job, worker = self.waiting.pop(0), self.idle.pop(0)
            self.given[worker] += 1
            fate = self.fates.get((worker, self.given[worker])) or Happening(worker=worker)
            self.states[job] = JobState.ACTIVE
            self.active[job] = _Work(job, now, fate)
            self.works.append(self.active[job])

    def _take_away(self, work: _Work, now: int) -> None:
        work.taken_away = now
        del self.active[work.job]


def _delivery(work: _Work) -> Delivery:
    return Delivery(
        job=work.job,
        worker=work.fate.worker,
        began=work.began,
        ended=work.ended,
        owned_until=work.taken_away,
        outcome=work.outcome,
    )
