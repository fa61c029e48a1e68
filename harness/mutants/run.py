"""A mutation run: every setting alone, then every mutant by every strategy, several at a time, told in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol

from harness.db import answering
from harness.driver.pool import WorkerPool
from harness.errors import HarnessError, UsageError
from harness.mutants.own_databases import OwnDatabases
from harness.mutants.score import deciding, whole_run
from harness.mutants.trial import Limits, alone, attempt, failed
from harness.mutation import (
    BARRIER_THREADS,
    FREE_RUNNING,
    PLAIN,
    Mutant,
    MutantResult,
    MutationRun,
    SettingResult,
    Trial,
)
from harness.scenario import load_scenario
from harness.strategies.registry import NAMES
from harness.targets.databases import Databases
from harness.targets.protocol import Target
from harness.tasks import Tasks

STRATEGIES = (*NAMES, PLAIN, FREE_RUNNING, BARRIER_THREADS)
"""All there are; a full run takes them in this order."""
DEFAULT = ("auto", PLAIN, "pct", "random_walk", FREE_RUNNING, BARRIER_THREADS)


class MutationReporter(Protocol):
    """What a mutation run tells while it goes on; calls come one at a time, in the order of the mutants."""

    def run_started(
        self, target_description: str, server_version: str, mutants: Sequence[Mutant], strategies: Sequence[str],
        deciding: Sequence[str],
    ) -> None: ...  # fmt: skip
    def setting_done(self, result: SettingResult) -> None: ...
    def mutant_done(self, result: MutantResult) -> None: ...


def run_mutants(
    mutants: Sequence[Mutant],
    target: Target,
    reporter: MutationReporter,
    *,
    strategies: Collection[str],
    seed: int,
    seeds: int,
    jobs: int,
    folder: Path | None,
    limits: Limits,
) -> MutationRun:
    """Run every setting alone and every mutant with each of ``strategies`` (none: `DEFAULT`) and each of ``seeds``
    seeds from ``seed`` on, ``jobs`` mutants at a time. What is found does not depend on ``jobs``, but for baselines.

    Raises `UsageError` when a setting's own file or SQL is wrong; whatever goes wrong with a mutant is a survival.
    """
    begin = time.monotonic()
    chosen = tuple(s for s in (STRATEGIES if strategies else DEFAULT) if not strategies or s in strategies)
    reporter.run_started(
        target.description, target.server_version, mutants, chosen, deciding(chosen, frozenset(strategies))
    )
    settings = list(dict.fromkeys(m.setting for m in mutants))
    alone_done: list[SettingResult] = []
    mutants_done: list[MutantResult] = []
    with Databases(target) as databases, Tasks(jobs, limits.stop) as tasks:

        def setting(path: Path) -> Callable[[WorkerPool], SettingResult]:
            return lambda pool: alone(path, seed, target, databases, pool, limits)

        def trials(mutant: Mutant) -> Callable[[WorkerPool], MutantResult]:
            def one(pool: WorkerPool) -> MutantResult:
                install = load_scenario(mutant.setting).install
                found: list[Trial] = []
                each = [(name, seed + i) for name in chosen for i in range(seeds)]
                try:
                    with answering(), OwnDatabases(target, databases, install) as own:
                        for name, number in each:
                            found.append(attempt(mutant, name, number, target, own, pool, folder, limits))
                except UsageError:
                    raise
                except HarnessError as e:  # of the databases; the last trial stands for what comes after all of them
                    found = found[: len(each) - 1]
                    found += [failed(mutant, name, number, e) for name, number in each[len(found) :]]
                return MutantResult(mutant=mutant, trials=tuple(found))

            return one

        for done in tasks.each([setting(path) for path in settings]):
            alone_done.append(done)
            reporter.setting_done(done)
        for result in tasks.each([trials(m) for m in mutants]):
            mutants_done.append(result)
            reporter.mutant_done(result)
    return whole_run(
        chosen,
        strategies,
        alone_done,
        mutants_done,
        server_version=target.server_version,
        seed=seed,
        seeds=seeds,
        elapsed_s=time.monotonic() - begin,
    )
