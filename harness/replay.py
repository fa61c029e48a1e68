"""Replay: a saved schedule carried out again, exactly where the SQL is the same, adapted where it was changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.cases import single
from harness.checks import judge
from harness.crash import crashing
from harness.driver.pool import WorkerPool
from harness.errors import NondeterminismError, UsageError
from harness.found import watch_for
from harness.isolation import at_level
from harness.matrix.retry import INSIDE, retried
from harness.model import Case, Execution, Order, Scenario, Search, Violation
from harness.scenario import load_scenario
from harness.schedule import SavedSchedule, read_saved
from harness.stage import Stage, Stages
from harness.strategies.replay import Replay
from harness.targets.databases import Databases
from harness.targets.protocol import Target

_TEST = re.compile(r".+\.py(?:(::.+)|:\d+)")
"""What saves a schedule, where that is no scenario file: a test's name, a line of code."""
__all__ = ["ReplayResult", "read_saved", "replay", "scenario_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """``violations`` of the last execution; ``reproduced`` of ``times`` executions violated a check of the saved one
    (any check, where that one violated nothing); ``adapted``: the choices no longer fitted exactly."""

    execution: Execution
    violations: tuple[Violation, ...]
    reproduced: int
    times: int
    adapted: bool


def scenario_of(saved: SavedSchedule, path: Path) -> Scenario:
    """The scenario that ``saved`` came from: its file as named there, seen from here; at another level than its own
    what it is there. Raises `UsageError`."""
    file = Path(saved.file)
    if not file.is_file() and (test := _TEST.fullmatch(saved.file)) is not None:
        again = f"pytest {saved.file} --harness-replay {path}" if test[1] else f"replay={str(path)!r} in {saved.file}"
        raise UsageError(f"{path}: it belongs to a test in Python, which alone can run it again: {again}")
    if not file.is_file():
        raise UsageError(f"{path}: its scenario {saved.file} is not here: run from the folder where it was saved")
    scenario = load_scenario(file)
    if saved.isolation:
        scenario = at_level(scenario, saved.isolation)
    if saved.case:
        single(scenario, saved.case)
    elif saved.order >= len(scenario.interleavings):
        raise UsageError(f"{path}: {saved.file} no longer has an interleaving number {saved.order + 1}")
    return scenario


def replay(
    saved: SavedSchedule, scenario: Scenario, target: Target, *, times: int, done: Callable[[], None] = lambda: None
) -> ReplayResult:
    """Carry out ``saved`` ``times`` times, and call ``done`` after each. Raises `NondeterminismError` when the same SQL
    leads elsewhere."""
    exact = scenario.hash == saved.hash
    if saved.case:
        scenario, _ = single(scenario, saved.case)
    interleaving = scenario.interleavings[saved.order]
    if saved.retry:
        scenario, interleaving = retried(scenario, saved.retry), INSIDE
    # What an exact order declares is for its own steps; a case declares whatever becomes of them. What violated nothing
    # lies beside a counterexample and goes another way than that did.
    declares = isinstance(interleaving, Case) or (isinstance(interleaving, Order) and exact and bool(saved.checks))
    order = interleaving if isinstance(interleaving, Order) and declares else None
    reproduced = 0
    adapted = not exact
    with _stage(saved, scenario, interleaving, target) as stage:
        stage.leave_out(frozenset(saved.without))
        for _ in range(times):
            strategy = Replay(saved.schedule, exact=exact)
            watch = watch_for(saved.schedule, saved.checks)
            execution, since = stage.replay(strategy, seed=saved.schedule.seed, watch=watch)
            found = [v for r in judge(stage.context(execution, order)) for v in r.violations]
            violations = tuple(replace(v, turn=since.get(v.check, v.turn)) for v in found)
            adapted = adapted or strategy.adapted
            seen = {v.check for v in violations}
            same = seen & set(saved.checks) if saved.checks else seen
            if exact and bool(same) != bool(saved.checks):
                raise NondeterminismError(
                    f"the same SQL and choices violated {', '.join(saved.checks) or 'nothing'} when saved, and now "
                    f"{', '.join(sorted(seen)) or 'nothing'}"
                )
            reproduced += bool(same)
            done()
    return ReplayResult(execution=execution, violations=violations, reproduced=reproduced, times=times, adapted=adapted)


@contextmanager
def _stage(saved: SavedSchedule, scenario: Scenario, interleaving: Order | Search, target: Target) -> Iterator[Stage]:
    """The stage that the saved schedule needs, gone when it is left."""
    with WorkerPool() as pool:
        if any(d.choice.action.crashes for d in saved.schedule.decisions):
            with crashing(scenario, target, pool) as stage:
                yield stage
            return
        with Databases(target) as databases:
            stages = Stages(scenario, target, databases, pool, isolation=saved.isolation)
            try:
                yield stages.of(interleaving)
            finally:
                stages.close()
