"""A soak from its first worker to its verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg

from harness.db import answering, apply_script, connect
from harness.driver.pool import WorkerPool
from harness.errors import HarnessError, UsageError
from harness.model import Script, Verdict
from harness.soak.calls import migrations, opening
from harness.soak.fleet import STUCK_S, Fleet, Stuck, clock
from harness.soak.handover import hand_over
from harness.soak.ledger import check_ledger
from harness.soak.log import Log
from harness.soak.queue import Queue
from harness.soak.slices import findings
from harness.soak.watch import Watch
from harness.soaked import DEADLOCK, LIVENESS, Broken, Fault, Finding, Job, Kind, Operation, Sample, SoakResult
from harness.targets.databases import Databases
from harness.targets.protocol import Target

HANDED_OVER = 3
"""Findings that are handed to the directed search: there may be hundreds, of one race."""
_APPLICATION = "refund-harness soak"
_SAMPLE_S = 1.0
_BUSY = """
SELECT count(*)
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakOptions:
    """``seconds`` or ``operations`` (exactly one is given): when to end, draining not counted. ``more``: SQL files to
    install above the shipped migrations. ``faults``: to draw from."""

    workers: int
    users: int
    seed: int = 0
    seconds: float | None = None
    operations: int | None = None
    faults: Sequence[Fault] = tuple(Fault)
    more: Sequence[Path] = ()


class SoakReporter(Protocol):
    """What a soak tells while it goes on."""

    def started(self, description: str, server_version: str, options: SoakOptions) -> None: ...
    def sampled(self, sample: Sample) -> None: ...
    def alarmed(self) -> None: ...
    def handing_over(self, finding: Finding) -> None: ...


def soak(options: SoakOptions, target: Target, folder: Path, reporter: SoakReporter) -> SoakResult:
    """Run it. The first violation ends the load; what is found is handed to the directed search, whose files go into
    ``folder``. What ends it before its time, once the load has begun, is the result's ``trouble``. Raises `UsageError`
    when ``more`` is no SQL that the server takes, another `HarnessError` when it cannot begin."""
    scripts = migrations(options.more)
    version = target.server_version
    reporter.started(target.description, version, options)
    run: _Run | None = None
    broken: tuple[Broken, ...] = ()
    trouble = ""
    try:
        with answering(), ExitStack() as last:
            databases = last.enter_context(Databases(target))
            name = databases.clone(databases.template(scripts))
            last.callback(databases.drop, name)
            run = _Run(options, target.conninfo(name), reporter)
            broken = run.go()
    except UsageError:
        raise
    except HarnessError as error:
        if run is None:
            raise
        trouble, broken = str(error), broken or run.alarm
    found = findings(broken, run.log)
    more = scripts[len(scripts) - len(options.more) :]
    if not trouble:
        try:
            with answering():
                found = tuple(_handed_over(found, more, target, folder, reporter, seed=options.seed))
        except HarnessError as error:
            trouble = f"in the directed search: {error}"
    return run.result(found, version, trouble)


def _handed_over(
    found: Sequence[Finding], more: Sequence[Script], target: Target, folder: Path, reporter: SoakReporter, *, seed: int
) -> Sequence[Finding]:
    told = list(found)
    known = [n for n, finding in enumerate(found) if finding.history]
    # One of every kind first: a race that meets often would else keep the others from being tried.
    firsts = {frozenset(found[n].checks): n for n in reversed(known)}
    known.sort(key=lambda n: firsts[frozenset(found[n].checks)] != n)
    for number, n in enumerate(known[:HANDED_OVER], 1):
        reporter.handing_over(found[n])
        told[n] = hand_over(found[n], number, more, target, folder, seed=seed)
    return told


class _Run:
    """The load, from opening the accounts to the last check."""

    def __init__(self, options: SoakOptions, conninfo: str, reporter: SoakReporter) -> None:
        self._options, self._conninfo, self._reporter = options, conninfo, reporter
        self.log = Log()
        self._queue = Queue(
            seed=options.seed, workers=options.workers, users=options.users, faults=options.faults
        )  # fmt: skip
        self._given = self._drained = self._checked = 0
        self._lock_waits: tuple[tuple[int, int], ...] = ()
        self._clock = clock()
        self._next_sample = _SAMPLE_S
        self._elapsed = 0.0
        self._stuck: list[Operation] = []
        self.alarm: tuple[Broken, ...] = ()
        """What ended the load."""

    def go(self) -> tuple[Broken, ...]:
        """All that is broken; nothing of what ran here is left when it returns or raises."""
        with _connect(self._conninfo) as control, WorkerPool() as pool:
            apply_script(control, Script(name="opening", text=opening(self._options.users)))
            fleet = Fleet(
                pool, self._options.workers, self._conninfo, control, self.log, seed=self._options.seed,
                clock=lambda: self._clock(),
            )  # fmt: skip
            self._clock = clock()  # all workers are connected
            try:
                try:
                    with Watch(_connect(self._conninfo), self.log.told_now) as watch:
                        self.alarm = alarm = self._load(fleet, watch)
                finally:
                    self._elapsed = self._clock()
                if alarm or self._stuck:
                    self._reporter.alarmed()
                else:
                    self._drain(fleet, watch)
            finally:
                fleet.close()
            self._sample(watch)
            late = self._await_quiet(control)
            drained = not alarm and not self._stuck
            last = check_ledger(control, self.log.told_now(), drained=drained)
        self._checked = watch.checked + 1
        self._lock_waits = tuple(sorted(watch.looks.items()))
        # A row of the alarm may have changed since; of the same thing the last word counts.
        rows = (*self._own_findings(), *late, *alarm, *last)
        return tuple({(b.check, b.job, b.user): b for b in rows}.values())

    def result(self, found: Sequence[Finding], version: str, trouble: str = "") -> SoakResult:
        log, options = self.log, self._options
        acknowledged = log.refunds.total()
        # A soak in which nobody was ever told of a refund has looked at nothing.
        verdict = Verdict.VIOLATION if found else Verdict.PASS if acknowledged else Verdict.INCONCLUSIVE
        verdict = Verdict.ERROR if trouble else verdict
        return SoakResult(
            verdict=verdict, seed=options.seed, server_version=version, elapsed_s=self._elapsed,
            workers=options.workers, users=options.users, jobs=self._queue.jobs,
            operations=log.operations - self._drained, draining=self._drained,
            ok=log.outcomes["ok"], fail=log.outcomes["fail"], info=log.outcomes["info"],
            acknowledged=acknowledged, deadlocks=log.deadlocks, checked=self._checked,
            faults=tuple((f, log.faults[f]) for f in options.faults),
            errors=tuple(log.errors.most_common(10)), latencies=log.latencies(), samples=tuple(log.samples),
            marks=tuple(log.marks), findings=tuple(found), lock_waits=self._lock_waits, trouble=trouble,
        )  # fmt: skip

    def _load(self, fleet: Fleet, watch: Watch) -> tuple[Broken, ...]:
        options = self._options

        def next_(worker: int) -> tuple[Kind, Job, Fault | None] | None:
            over = self._given == options.operations or (
                options.seconds is not None and self._clock() >= options.seconds
            )
            if over or watch.alarmed:
                return None
            self._given += 1
            return self._queue.next(worker)

        self._work(fleet, next_, watch)
        watch.stop()
        return watch.broken

    def _drain(self, fleet: Fleet, watch: Watch) -> None:
        """Refund whatever is not known to have come to its end, without faults, until it has."""
        before = self.log.operations

        def next_(_: int) -> tuple[Kind, Job, Fault | None] | None:
            job = self._queue.to_drain()
            return None if job is None else (Kind.REFUND, job, None)

        self._work(fleet, next_, watch)
        self._drained = self.log.operations - before

    def _work(self, fleet: Fleet, next_: Callable[[int], Any], watch: Watch) -> None:
        def done(operation: Operation) -> None:
            self.log.add(operation)
            self._queue.done(operation)

        def tick() -> None:
            if self._clock() >= self._next_sample:
                self._sample(watch)

        try:
            fleet.work(next_, done, tick)
        except Stuck as e:
            self._stuck.append(e.operation)
            self.log.add(e.operation)

    def _sample(self, watch: Watch) -> None:
        self._next_sample = self._clock() + _SAMPLE_S
        self._reporter.sampled(self.log.sample(self._clock(), watch.take_lock_waits()))

    def _own_findings(self) -> Sequence[Broken]:
        """What is not in the ledger: deadlocks, and calls that never ended."""
        deadlocks = [_of(DEADLOCK, o, ("sqlstate", o.sqlstate)) for o in self.log.deadlocked]
        return [*deadlocks, *(_of(LIVENESS, o, ("waited_s", round(o.end_s - o.begin_s))) for o in self._stuck)]

    def _await_quiet(self, control: psycopg.Connection[Any]) -> Sequence[Broken]:
        """Calls whose worker was killed run on in the server: the ledger is judged when they have ended. What does not
        end is a finding; where a call is known to be stuck, others may wait for it and are not waited for."""
        end = time.monotonic() + (0 if self._stuck else STUCK_S)
        while (row := control.execute(_BUSY).fetchone()) != (0,):
            if time.monotonic() > end:
                assert row is not None
                return [] if self._stuck else [_nobodys(row[0])]
            time.sleep(0.01)
        return []


def _nobodys(calls: int) -> Broken:
    return Broken(check=LIVENESS, job="", user="", row=(("calls_of_killed_workers", calls), ("waited_s", STUCK_S)))


def _of(check: str, operation: Operation, more: tuple[str, Any]) -> Broken:
    job = operation.job
    row = (("job_id", job.job), ("call", operation.kind.value), ("worker", operation.worker), more)
    return Broken(check=check, job=job.job, user=job.user, row=row)


def _connect(conninfo: str) -> psycopg.Connection[Any]:
    return connect(conninfo, application_name=_APPLICATION)
