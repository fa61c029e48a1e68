"""The score of somebody's own checks: every small break of their functions, and which of them their checks see.

The original comes first. It must be green, and is searched to the end, so that all its outcomes are known. Then each
mutant is searched in the same way:

- a violation kills it, once its counterexample was replayed;
- else, if original and mutant were both exhausted and each outcome of the mutant is one of the original's, it is
  *equivalent under these calls*. Any check that looks at nothing but the final ledger and the answers judges outcomes
  (`harness.mutants.outcomes`); one that the original passes accepts all of the original's outcomes, so it accepts all
  of the mutant's: no such check could tell the two apart, and to ask for one would be unfair. It says nothing of other
  calls, other rows, faults, or reading clocks;
- else it survived: with an outcome that no interleaving of the original gives, which is shown, or unproven.

The ledger is compared over all tables, whatever the scenario's state queries show.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Protocol

from harness.campaign import Options
from harness.db import connect
from harness.driver.pool import WorkerPool
from harness.fates import OPERATORS, Fate, GenericResult, Judged
from harness.model import Order, Scenario, ScenarioResult, Search, Verdict
from harness.mutants.judge import Judge, Original, searched
from harness.mutants.operators import Found, find_mutations
from harness.mutants.outcomes import Outcomes
from harness.sqltext.mutate_types import Mutation
from harness.targets.databases import Databases
from harness.targets.protocol import Target
from harness.tasks import Tasks

__all__ = ["Progress", "Silent", "run_generic"]


class Progress(Protocol):
    """What a run over mutants tells while it goes on; calls come one at a time."""

    def original_done(self, result: ScenarioResult, mutants: int) -> None: ...
    def mutant_done(self, judged: Judged) -> None: ...


class Silent:
    """Tells nobody."""

    def original_done(self, result: ScenarioResult, mutants: int) -> None:
        """Nothing is said of it."""

    def mutant_done(self, judged: Judged) -> None:
        """Nothing is said of it."""


def run_generic(
    scenario: Scenario,
    target: Target,
    options: Options,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
    operators: Collection[str] = OPERATORS,
) -> GenericResult:
    """Judge every mutant of what the scenario's calls run, ``jobs`` at a time; the result does not depend on ``jobs``.

    The scenario's exact orders are kept; its searches give way to one inside functions (``options.strategy``, else
    auto). Of ``options`` seed, strategy, schedules, deadline and stop count. Raises `UsageError` for the scenario's own
    SQL.
    """
    begin = time.monotonic()
    scenario = _to_be_searched(scenario, options)
    told = progress or Silent()
    with Databases(target) as databases, closing(WorkerPool()) as pool:
        outcomes = Outcomes()
        result = searched(scenario, target, databases, pool, options, outcomes)
        green = result.observed is Verdict.PASS
        found = _found(scenario, target, databases, operators) if green else Found(mutations=())
        told.original_done(result, len(found.mutations))
        judge = Judge(scenario, target, databases, options, Original(result=result, outcomes=outcomes))
        judged = _all(judge, found.mutations, jobs, told)
    stillborn = (Judged(mutation=s.mutation, fate=Fate.STILLBORN, reason=s.reason) for s in found.stillborn)
    return GenericResult(
        scenario=scenario.name,
        original=result.observed,
        meaning=result.meaning,
        schedules=result.schedules,
        exhausted=result.exhausted,
        outcomes=len(outcomes.seen),
        judged=(*judged, *stillborn),
        untouched=found.untouched,
        elapsed_s=time.monotonic() - begin,
    )


def _to_be_searched(scenario: Scenario, options: Options) -> Scenario:
    """Its exact orders, for what they expect is among the checks, and one search; no violation expected, and a ledger
    of all tables, put back before each execution."""
    orders = tuple(i for i in scenario.interleavings if isinstance(i, Order))
    search = Search(strategy=options.strategy or "auto", schedules=options.schedules)
    restore = not scenario.fresh_database
    return replace(scenario, interleavings=(*orders, search), expect_violation=(), state=(), restore=restore)


def _found(scenario: Scenario, target: Target, databases: Databases, operators: Collection[str]) -> Found:
    name = databases.clone(databases.template(scenario.install))
    try:
        with closing(connect(target.conninfo(name), application_name="refund-harness mutants")) as connection:
            return find_mutations(connection, scenario.workers, operators)
    finally:
        databases.drop(name)


def _all(judge: Judge, mutations: tuple[Mutation, ...], jobs: int, progress: Progress) -> list[Judged]:
    """All of them, in the order given."""
    if not mutations:
        return []
    judged = []
    with Tasks(max(1, min(jobs, len(mutations))), judge.options.stop) as tasks:
        for found in tasks.each([partial(judge.judged, mutation) for mutation in mutations]):
            judged.append(found)
            progress.mutant_done(found)
    return judged
