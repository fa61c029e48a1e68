"""One trial: one strategy against one mutant."""

from __future__ import annotations

import math
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.campaign import Options, Silent, run_campaign
from harness.checks import Context
from harness.db import answering
from harness.driver.pool import WorkerPool
from harness.errors import HarnessError, UsageError
from harness.matrix import with_faults
from harness.model import Counterexample, Scenario, ScenarioResult, Search, Verdict
from harness.mutants.baselines import Released, release
from harness.mutants.setting import AUTO, plainly, search, sound_alone, with_mutant
from harness.mutation import BARRIER_THREADS, BASELINES, PLAIN, Mutant, SettingResult, Trial
from harness.scenario import load_scenario
from harness.stage import Stages
from harness.strategies.auto import ALL_ORDERS
from harness.targets.databases import Databases
from harness.targets.protocol import Target

IN_MID_RACE = 40
"""Executions with faults in drawn orders, where no cell of the matrix is red."""
NOT_REACHED = "not reached within the budget"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``schedules``: executions per trial (None: the setting's, else the strategy's). ``deadline``: clock reading
    (`time.monotonic`) at which to stop, None: never. ``stop``: asks to end after the execution in hand."""

    schedules: int | None = None
    deadline: float | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def out_of_time(self) -> bool:
        return self.stop.is_set() or (self.deadline is not None and time.monotonic() > self.deadline)


NO_LIMITS = Limits()


def attempt(
    mutant: Mutant,
    strategy: str,
    seed: int,
    target: Target,
    databases: Databases,
    pool: WorkerPool,
    folder: Path | None,
    limits: Limits = NO_LIMITS,
) -> Trial:
    """Try to kill ``mutant`` by ``strategy`` (a search's name, `PLAIN`, or one of `BASELINES`).

    Counterexamples go to ``STRATEGY-SEED/`` in ``folder`` (None: they are not saved). Whatever goes wrong, be it the
    mutant's SQL or the harness, is the reason of a survival, never raised.
    """
    if limits.out_of_time:
        return _not_killed(mutant, strategy, seed, NOT_REACHED, reached=False)
    try:
        with answering():
            scenario = _scenario(mutant, strategy, folder, limits)
            with closing(Stages(scenario, target, databases, pool)) as stages:
                if strategy in BASELINES:
                    return _released(mutant, strategy, seed, stages, limits)
                own = _own(folder, strategy, seed)
                return _searched(mutant, strategy, seed, scenario, stages, own, limits, target)
    except UsageError as e:
        return _not_killed(mutant, strategy, seed, str(e))
    except HarnessError as e:
        return failed(mutant, strategy, seed, e)


def failed(mutant: Mutant, strategy: str, seed: int, error: HarnessError) -> Trial:
    """A trial that the harness or its environment could not carry out."""
    return replace(_not_killed(mutant, strategy, seed, str(error)), failed=True)


def alone(
    path: Path, seed: int, target: Target, databases: Databases, pool: WorkerPool, limits: Limits = NO_LIMITS
) -> SettingResult:
    """Exhaust a setting without any mutant, with a limit of its own whatever ``limits`` say. Raises `UsageError` when
    its file or SQL is wrong."""
    scenario = sound_alone(load_scenario(path))
    if limits.out_of_time:
        return SettingResult(
            name=scenario.name, file=str(path), verdict=Verdict.INCONCLUSIVE, exhausted=False, schedules=0,
            elapsed_s=0.0, meaning=NOT_REACHED, reached=False,
        )  # fmt: skip
    options = Options(seed=seed, deadline=limits.deadline, stop=limits.stop, explain=False)
    begin = time.monotonic()
    try:
        with answering(), closing(Stages(scenario, target, databases, pool)) as stages:
            result = run_campaign(scenario, stages, options, Silent(), target.server_version)
            result = _struck(result, scenario, stages, options, target)
    except UsageError:
        raise
    except HarnessError as e:
        return SettingResult(
            name=scenario.name, file=str(path), verdict=Verdict.ERROR, exhausted=False, schedules=0,
            elapsed_s=time.monotonic() - begin, meaning=str(e),
        )  # fmt: skip
    cut_short = limits.out_of_time and result.observed is not Verdict.VIOLATION and not result.exhausted
    return SettingResult(
        name=scenario.name,
        file=str(path),
        verdict=result.observed,
        exhausted=result.exhausted,
        schedules=result.schedules,
        elapsed_s=result.elapsed_s,
        meaning=result.meaning,
        reached=not cut_short,
        may_exhaust=target.at_hand,
    )


def _scenario(mutant: Mutant, strategy: str, folder: Path | None, limits: Limits) -> Scenario:
    scenario = with_mutant(mutant, folder)
    if strategy in BASELINES:
        return scenario
    found: Search = search(scenario, AUTO if strategy == PLAIN else strategy, limits.schedules)
    scenario = replace(scenario, interleavings=(found,))
    return plainly(scenario) if strategy == PLAIN else scenario


def _searched(
    mutant: Mutant,
    strategy: str,
    seed: int,
    scenario: Scenario,
    stages: Stages,
    folder: Path | None,
    limits: Limits,
    target: Target,
) -> Trial:
    stages.of(scenario.interleavings[0])  # made now, so that its time does not count
    watch = _Watch()
    options = Options(seed=seed, folder=folder, deadline=limits.deadline, stop=limits.stop, watch=watch, explain=False)
    result = run_campaign(scenario, stages, options, Silent(), target.server_version)
    if strategy != PLAIN:
        result = _struck(result, scenario, stages, options, target)
    seen = _seen(result)
    kill = None if result.observed is Verdict.ERROR else _kill(mutant, strategy, result)
    if kill is None:
        return Trial(
            mutant=mutant.name, strategy=strategy, seed=seed, killed=False, schedules=None, after_serial=None,
            seconds=None, executed=result.schedules, verdict=result.observed, seen=seen,
            why=_why(mutant, strategy, result, seen), replay="", failed=result.observed is Verdict.ERROR,
            reached=not (limits.out_of_time and result.observed is not Verdict.ERROR and not result.exhausted),
        )  # fmt: skip
    schedules = watch.place(kill.execution.number)
    after = max(0, schedules - _serial_orders(len(scenario.workers))) if strategy in (AUTO, PLAIN) else None
    return Trial(
        mutant=mutant.name,
        strategy=strategy,
        seed=seed,
        killed=True,
        schedules=schedules,
        after_serial=after,
        seconds=watch.seconds[kill.execution.number],
        executed=result.schedules,
        verdict=result.observed,
        seen=seen,
        why="broken even serially" if after == 0 else "",
        replay=kill.replay,
    )


def _struck(
    result: ScenarioResult, scenario: Scenario, stages: Stages, options: Options, target: Target
) -> ScenarioResult:
    """``result`` with the fault matrix of the setting, if it names faults and nothing is violated without any."""
    if not scenario.faults or result.observed is Verdict.VIOLATION:
        return result
    options = replace(options, schedules=options.schedules or IN_MID_RACE)
    return with_faults(result, scenario, stages, scenario.faults, options, Silent(), target.server_version)


def _seen(result: ScenarioResult) -> tuple[str, ...]:
    """The checks that were violated, in whatever execution."""
    seen = dict.fromkeys(c.check for c in result.checks if c.violations)
    if result.faults is not None:
        seen.update(dict.fromkeys(check for cell in result.faults.cells for check in cell.checks))
        seen.update(dict.fromkeys(result.faults.drawn.checks if result.faults.drawn is not None else ()))
    return tuple(seen)


def _kill(mutant: Mutant, strategy: str, result: ScenarioResult) -> Counterexample | None:
    """The first counterexample (all were replayed) that violates what had to trip; without invariants, whatever."""
    for example in result.counterexamples:
        if strategy == PLAIN or mutant.trips in {v.check for v in example.violations}:
            return example
    return None


def _why(mutant: Mutant, strategy: str, result: ScenarioResult, seen: tuple[str, ...]) -> str:
    if result.observed in (Verdict.ERROR, Verdict.INCONCLUSIVE):
        return result.meaning
    if seen:
        return f"violated {', '.join(seen)}, not {mutant.trips}"
    how = "all there are" if result.exhausted else "not all there are"
    if strategy == PLAIN:
        return f"no check failed in {result.schedules} schedules, {how}"
    if not any(c.examined for c in result.checks if c.check == mutant.trips):
        return f"{mutant.trips} found nothing to examine in {result.schedules} schedules"
    return f"{mutant.trips} held in {result.schedules} schedules, {how}"


def _released(mutant: Mutant, strategy: str, seed: int, stages: Stages, limits: Limits) -> Trial:
    stage = stages.of(Search(strategy="free_running"))  # without gates
    found: Released = release(
        stage, mutant.trips, seed=seed, limit=limits.schedules, by_threads=strategy == BARRIER_THREADS,
        over=lambda: limits.out_of_time,
    )  # fmt: skip
    others = f": violated {', '.join(found.seen)}" if found.seen else ""
    return Trial(
        mutant=mutant.name,
        strategy=strategy,
        seed=seed,
        killed=found.schedules is not None,
        schedules=found.schedules,
        after_serial=None,
        seconds=found.seconds,
        executed=found.executed,
        verdict=Verdict.VIOLATION if found.seen else Verdict.PASS,
        seen=found.seen,
        why="" if found.schedules is not None else f"not seen in {found.executed} runs{others}",
        replay="",
        reached=found.schedules is not None or not found.cut_short,
    )


def _not_killed(mutant: Mutant, strategy: str, seed: int, why: str, *, reached: bool = True) -> Trial:
    return Trial(
        mutant=mutant.name, strategy=strategy, seed=seed, killed=False, schedules=None, after_serial=None,
        seconds=None, executed=0, verdict=Verdict.ERROR if reached else Verdict.INCONCLUSIVE, seen=(), why=why,
        replay="", reached=reached,
    )  # fmt: skip


def _serial_orders(workers: int) -> int:
    """With how many serial executions `AUTO` begins."""
    return math.factorial(workers) if workers <= ALL_ORDERS else workers


def _own(folder: Path | None, strategy: str, seed: int) -> Path | None:
    if folder is None:
        return None
    own = folder / f"{strategy}-{seed}"
    own.mkdir(exist_ok=True)
    return own


class _Watch:
    """``seconds``: by the number of an execution, in the order in which they were judged, since the campaign began."""

    def __init__(self) -> None:
        self.seconds: dict[int, float] = {}
        self._begin = time.monotonic()

    def __call__(self, context: Context) -> None:
        self.seconds[context.execution.number] = time.monotonic() - self._begin

    def place(self, number: int) -> int:
        """Which execution it was that has this number, from 1: those with faults have numbers of their own."""
        return list(self.seconds).index(number) + 1
