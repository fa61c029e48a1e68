"""From what somebody's test asks for to a result, on a server that is there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from harness.campaign import STRATEGIES, Options, Silent, run_campaign
from harness.checks.protocol import Context
from harness.driver.actor import Program
from harness.driver.pool import WorkerPool
from harness.driver.troupe import Troupe
from harness.errors import UsageError
from harness.model import LEVELS, Scenario, ScenarioResult
from harness.programs.invariants import answers_of
from harness.programs.request import Asked, following, scenario_of
from harness.programs.stage import Piece, ProgramStages
from harness.schedule import SavedSchedule
from harness.targets.databases import Databases
from harness.targets.protocol import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request that was found good. ``pool``: of worker processes for it; to be closed."""

    asked: Asked
    scenario: Scenario
    piece: Piece
    pool: WorkerPool


def prepared(asked: Asked) -> Prepared:
    """What `run` needs. Where there are programs this process is forked, best before it has begun a server or threads.
    Raises `UsageError`."""
    if asked.strategy not in STRATEGIES:
        raise UsageError(f"strategy {asked.strategy!r}: give one of {', '.join(STRATEGIES)}")
    scenario, piece, programs = scenario_of(asked)
    if programs and not hasattr(os, "fork"):
        raise UsageError("functions as workers need fork, which this system does not have: give SQL")
    return Prepared(asked=asked, scenario=scenario, piece=piece, pool=_pool(programs))


def run(
    ready: Prepared, target: Target, databases: Databases, options: Options, saved: SavedSchedule | None = None
) -> ScenarioResult:
    """Search, or follow ``saved``. Raises as `run_campaign` does."""
    asked, scenario = ready.asked, ready.scenario
    if saved is not None:
        scenario = following(scenario, [d.choice for d in saved.schedule.decisions])
    level = LEVELS[asked.isolation] if asked.isolation else None
    stages = ProgramStages(scenario, target, databases, ready.pool, ready.piece, isolation=level)
    with closing(stages):
        if saved is not None:
            stages.stage.leave_out(frozenset(saved.without))
        while True:
            surprised = stages.stage.surprised
            ends = _Ends()
            watched = replace(options, watch=ends.watch)
            result = run_campaign(scenario, stages, watched, Silent(), target.server_version)
            if surprised or not stages.stage.surprised:
                return replace(result, meaning=f"{result.meaning} {ends.words}".rstrip())


class _Ends:
    """Programs that never came to their end in order: what they were to show was not shown."""

    def __init__(self) -> None:
        self._raised: dict[str, str] = {}
        self._returned: set[str] = set()

    def watch(self, context: Context) -> None:
        """Look at one execution."""
        for worker, answer in answers_of(context.execution).items():
            if answer.raised:
                self._raised.setdefault(worker, answer.raised)
            else:
                self._returned.add(worker)

    @property
    def words(self) -> str:
        """A sentence per program; "" for none."""
        said = (f"{w} never returned: {why}." for w, why in self._raised.items() if w not in self._returned)
        return " ".join(said)


def _pool(programs: Mapping[str, Program]) -> WorkerPool:
    return Troupe(programs) if programs else WorkerPool()
