"""A run: scenarios from files to a `RunResult`, on one target, over one or more jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Protocol

from harness.campaign import Options, Progress, Silent, conclude, run_campaign
from harness.cases import with_cases
from harness.crash import refuse_elsewhere
from harness.db import answering
from harness.driver.pool import WorkerPool
from harness.errors import HarnessError, UsageError
from harness.isolation import Levels
from harness.machine import processors
from harness.matrix import with_faults
from harness.model import Going, RunResult, Scenario, ScenarioResult, Verdict
from harness.sharding.local import LocalShards, beside
from harness.stage import Stages
from harness.tally import Tally
from harness.targets.alive import why_gone
from harness.targets.cleaning import clean_after
from harness.targets.databases import Databases
from harness.targets.protocol import Target
from harness.tasks import Tasks

SEVERITY = (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.VIOLATION, Verdict.ERROR)
"""From best to worst: over several scenarios the worst wins."""


class Reporter(Protocol):
    """What a run tells while it goes on; calls come one at a time."""

    def run_started(self, target_description: str, server_version: str, n_scenarios: int) -> None: ...
    def scenario_started(self, name: str) -> None: ...
    def interleaving_started(self, name: str, look: Callable[[], Going]) -> None:
        """See `harness.campaign.Progress`."""

    def schedule_done(self, name: str, done: int, violations: int) -> None: ...
    def campaign_over(self, result: ScenarioResult) -> None:
        """As soon as it is; `scenario_done` comes in the order of the scenarios, for what lasts."""

    def scenario_done(self, result: ScenarioResult) -> None: ...


def run_scenarios(
    scenarios: Sequence[Scenario],
    target: Target,
    options: Options,
    reporter: Reporter,
    *,
    jobs: int,
    keep: Callable[[RunResult], None] | None = None,
    warnings: tuple[str, ...] = (),
) -> RunResult:
    """Run the campaigns of ``scenarios``, ``jobs`` at a time; results come in the order given, whatever ``jobs`` is.

    A scenario that fails by no fault of its own has the verdict "error", and the others still run; once the server is
    gone, the rest is "not run". ``keep``: when the run is cut short (Ctrl-C, SIGTERM) after a schedule was executed, is
    given what there is by then, before the exception goes on. ``warnings`` become the result's. With more than one job,
    long searches are executed by as many shards. Raises `UserSqlError` when the server refuses a scenario's SQL,
    `UsageError` for faults that ``target`` cannot have.
    """
    for scenario in scenarios:
        refuse_elsewhere(options.faults or scenario.faults, target, "--faults" if options.faults else scenario.file)
    begin = time.monotonic()
    version = target.server_version
    reporter.run_started(target.description, version, len(scenarios))
    told = _Told(reporter)
    lost = _Lost(target)
    begun: set[int] = set()
    partly: dict[int, ScenarioResult] = {}
    done: dict[int, ScenarioResult] = {}
    trouble = ""

    def result(trouble: str, reason: str) -> RunResult:
        found = [
            done.get(i)
            or (_cut_short(partly[i], reason) if i in partly else None)
            or _failed(s, options, version, f"{'cut short' if i in begun else 'not run'}: {reason}")
            for i, s in enumerate(scenarios)
        ]
        return RunResult(
            verdict=Verdict.ERROR if trouble else worst(found),
            seed=options.seed,
            server_version=version,
            elapsed_s=time.monotonic() - begin,
            scenarios=tuple(found),
            trouble=trouble,
            warnings=warnings,
        )

    try:
        with ExitStack() as last:
            databases = Databases(target)
            last.callback(databases.close)
            if jobs > 1 and options.shards is None:
                shards = LocalShards(beside(target), jobs)
                last.callback(_end, shards, target)
                options = replace(options, shards=shards)
            tasks = last.enter_context(Tasks(max(1, min(jobs, len(scenarios))), options.stop))

            def campaign(number: int, scenario: Scenario) -> Callable[[WorkerPool], ScenarioResult]:
                def one(pool: WorkerPool) -> ScenarioResult:
                    if lost.why:
                        return _failed(scenario, options, version, f"not run: the server does not answer: {lost.why}")
                    begun.add(number)
                    told.scenario_started(scenario.name)
                    found = _campaign(scenario, target, databases, pool, options, told)
                    if found.observed is Verdict.ERROR:
                        lost.look()
                    if not options.stop.is_set():
                        done[number] = found
                    elif found.schedules:
                        partly[number] = found
                    told.campaign_over(found)
                    return found

                return one

            for number, found in enumerate(tasks.each([campaign(i, s) for i, s in enumerate(scenarios)])):
                done[number] = found
                told.scenario_done(found)
    except UsageError:
        raise
    except HarnessError as error:  # of what comes after the last scenario
        if len(done) < len(scenarios):
            raise
        trouble = str(error)
    except BaseException as cut:
        if keep is not None and (done or partly):
            why = "interrupted" if isinstance(cut, KeyboardInterrupt) else "the run was ended"
            keep(result(why, why))
        raise
    return result(trouble, "")


def worst(results: Sequence[ScenarioResult]) -> Verdict:
    """Error before violation before inconclusive before pass; nothing at all is inconclusive."""
    return max((r.verdict for r in results), key=SEVERITY.index, default=Verdict.INCONCLUSIVE)


def default_jobs(jobs: str) -> int:
    """``auto`` → one per processor that we may use. Raises `UsageError`."""
    if jobs == "auto":
        return processors()
    if not jobs.isdigit() or int(jobs) < 1:
        raise UsageError(f"--jobs takes a number from 1, or auto: {jobs!r}")
    return int(jobs)


def _campaign(
    scenario: Scenario,
    target: Target,
    databases: Databases,
    pool: WorkerPool,
    options: Options,
    told: _Told,
) -> ScenarioResult:
    """Its result, whatever becomes of the server. Raises `UsageError`."""
    result = None
    try:
        with answering(), closing(Stages(scenario, target, databases, pool)) as stages:
            result = run_one(scenario, stages, options, told, target.server_version)
    except UsageError:
        raise
    except HarnessError as error:
        if result is None:
            return _failed(scenario, options, target.server_version, str(error))
        if result.observed is not Verdict.ERROR:  # else what came first is what to tell
            result = replace(result, verdict=Verdict.ERROR, observed=Verdict.ERROR, meaning=str(error))
    return result


def _failed(scenario: Scenario, options: Options, server: str, why: str) -> ScenarioResult:
    return conclude(scenario, options, Tally(), server, 0.0, why)


def _end(shards: LocalShards, target: Target) -> None:
    shards.close()
    if shards.died:
        clean_after(target, shards.died)


def _cut_short(found: ScenarioResult, reason: str) -> ScenarioResult:
    seen = {v.check for c in found.counterexamples for v in c.violations}
    so_far = f"violated by then: {', '.join(sorted(seen))}" if seen else "no check had failed by then"
    return replace(
        found,
        verdict=Verdict.ERROR,
        observed=Verdict.ERROR,
        exhausted=False,
        meaning=f"cut short: {reason}; {found.schedules:,} schedules executed, {so_far}",
    )


class _Lost:
    """Whether the server is gone for good. ``why``: "" as long as nobody has found it so."""

    def __init__(self, target: Target) -> None:
        self._target, self._lock = target, threading.Lock()
        self.why = ""

    def look(self) -> None:
        """Ask it; several threads at a time ask once."""
        with self._lock:
            if not self.why:
                self.why = why_gone(self._target)


def run_one(scenario: Scenario, stages: Stages, options: Options, progress: Progress, server: str) -> ScenarioResult:
    """A scenario's campaign and, where they are asked for, its fault matrix, its isolation levels and its single calls.
    Raises as `run_campaign` does."""
    asked = options.levels or tuple(scenario.levels)
    levels = Levels(scenario, stages, asked, options, progress, server) if asked and scenario.workers else None
    result = levels.at_own() if levels else run_campaign(scenario, stages, options, progress, server)
    faults = options.faults or scenario.faults
    if faults and scenario.workers:
        result = with_faults(result, scenario, stages, faults, options, progress, server)
    result = levels.with_others(result) if levels else result
    return with_cases(result, scenario, stages, options, progress, server) if scenario.cases else result


class SilentReporter(Silent):
    """Tells nobody: whoever runs the scenarios says what came of them."""

    def run_started(self, target_description: str, server_version: str, n_scenarios: int) -> None:
        """Nothing to say."""

    def scenario_started(self, name: str) -> None:
        """Nothing to say."""

    def campaign_over(self, result: ScenarioResult) -> None:
        """Nothing to say."""

    def scenario_done(self, result: ScenarioResult) -> None:
        """Nothing to say."""


class _Told:
    """Passes calls from several threads on, one at a time."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter, self._lock = reporter, threading.Lock()

    def scenario_started(self, name: str) -> None:
        with self._lock:
            self._reporter.scenario_started(name)

    def interleaving_started(self, name: str, look: Callable[[], Going]) -> None:
        with self._lock:
            self._reporter.interleaving_started(name, look)

    def schedule_done(self, name: str, done: int, violations: int) -> None:
        with self._lock:
            self._reporter.schedule_done(name, done, violations)

    def campaign_over(self, result: ScenarioResult) -> None:
        with self._lock:
            self._reporter.campaign_over(result)

    def scenario_done(self, result: ScenarioResult) -> None:
        with self._lock:
            self._reporter.scenario_done(result)


def with_budget(options: Options, seconds: float | None) -> Options:
    """``options`` that end ``seconds`` from now."""
    return options if seconds is None else replace(options, deadline=time.monotonic() + seconds)
