"""A campaign: one scenario's interleavings executed and judged until something is violated or a limit is reached."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from harness.checks import judge
from harness.checks.protocol import Context
from harness.checks.vacuity import changed, overlapped
from harness.errors import HarnessError, NondeterminismError, UsageError
from harness.meaning import meaning
from harness.model import (
    Counterexample,
    Execution,
    Order,
    Scenario,
    ScenarioResult,
    Search,
    Verdict,
    Violation,
)
from harness.saving import save_counterexample, save_history
from harness.stage import Stage
from harness.strategies.exhaustive import Exhaustive
from harness.strategies.fixed import Fixed
from harness.strategies.protocol import Strategy
from harness.strategies.random_walk import RandomWalk
from harness.strategies.replay import Replay
from harness.tally import Tally

DEFAULT_SCHEDULES = {"exhaustive": 1000, "random_walk": 100}
"""Executions per strategy where neither scenario nor command line says otherwise: counts, so that a result does not
depend on how fast the machine is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run campaigns. ``strategy`` and ``schedules`` replace what scenarios say of their searches (not of their
    exact orders). ``deadline``: clock reading (`time.monotonic`) at which to stop, None: never. ``stop``: asks every
    campaign to end after the execution it is in."""

    seed: int = 0
    strategy: str | None = None
    schedules: int | None = None
    deadline: float | None = None
    require_exhausted: bool = False
    folder: Path | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def out_of_time(self) -> bool:
        return self.stop.is_set() or (self.deadline is not None and time.monotonic() > self.deadline)


class Progress(Protocol):
    """What a campaign tells while it runs."""

    def schedule_done(self, name: str, done: int, violations: int) -> None: ...


def run_campaign(scenario: Scenario, stage: Stage, options: Options, progress: Progress, server: str) -> ScenarioResult:
    """Execute every interleaving of ``scenario`` until the first violation (with ``expect: violation``: until every
    named check has been violated), the limits, or the deadline. A `UsageError` (the scenario's own SQL) is raised, any
    other `HarnessError` becomes the verdict "error"."""
    begin = time.monotonic()
    tally = Tally()
    error = None
    try:
        _Campaign(scenario, stage, options, progress, server, tally, begin).run()
    except UsageError:
        raise
    except HarnessError as e:
        error = str(e)
    return conclude(scenario, options, tally, server, time.monotonic() - begin, error)


class _Campaign:
    def __init__(
        self,
        scenario: Scenario,
        stage: Stage,
        options: Options,
        progress: Progress,
        server: str,
        tally: Tally,
        begin: float,
    ) -> None:
        self.scenario, self.stage, self.options, self.progress = scenario, stage, options, progress
        self.server, self.tally, self.begin = server, tally, begin

    def run(self) -> None:
        for index, interleaving in enumerate(self.scenario.interleavings):
            if self._interleaving(index, interleaving):
                return

    def _interleaving(self, index: int, interleaving: Order | Search) -> bool:
        """Execute one interleaving; True when the campaign is over."""
        if isinstance(interleaving, Order):
            strategy: Strategy = Fixed(interleaving)
            limit = 1
        else:
            strategy = make_strategy(self.options.strategy or interleaving.strategy, self.options.seed)
            limit = self.options.schedules or interleaving.schedules or DEFAULT_SCHEDULES[strategy.name]
        over = False
        done = 0
        while not over and done < limit and strategy.start():
            if self.options.out_of_time:
                self.tally.out_of_time = over = True
                break
            over = self._execution(index, interleaving, strategy)
            done += 1
            self.tally.orders += isinstance(interleaving, Order)
        if isinstance(interleaving, Search):
            exhausted = not over and (strategy.exhausted or (done == limit and not strategy.start()))
            self.tally.searches.append((strategy.name, done, exhausted))
        return over

    def _execution(self, index: int, interleaving: Order | Search, strategy: Strategy) -> bool:
        order = interleaving if isinstance(interleaving, Order) else None
        execution = self.stage.execute(strategy, self.tally.executed, seed=self.options.seed)
        context = self.stage.context(execution, order)
        violations = self.tally.add(judge(context))
        self._note(context, violations)
        over = bool(violations) and self._violated(index, order, execution, violations)
        self.progress.schedule_done(self.scenario.name, self.tally.executed, len(self.tally.counterexamples))
        return over

    def _note(self, context: Context, violations: list[Violation]) -> None:
        together = overlapped(context, self.stage.touches)
        self.tally.overlapped = self.tally.overlapped or together
        self.tally.changed = self.tally.changed or changed(context)
        if not violations and together and self.tally.passing is None:
            self.tally.passing = context.execution
            if self.options.folder is not None:
                save_history(self.options.folder / f"{self.scenario.name}.history.jsonl", context.execution)

    def _violated(self, index: int, order: Order | None, execution: Execution, violations: list[Violation]) -> bool:
        """Save, confirm by an exact replay, and decide whether that is the end."""
        tally, expected = self.tally, set(self.scenario.expect_violation)
        checks = {v.check for v in violations}
        if tally.first_violation is None:
            tally.first_violation = (tally.executed, time.monotonic() - self.begin)
        known = {v.check for c in tally.counterexamples for v in c.violations}
        if checks - known:
            replay = save_counterexample(
                self.options.folder, self.scenario, self.server, index, execution, violations,
                len(tally.counterexamples) + 1,
            )  # fmt: skip
            since = self._confirm(order, execution, checks)
            found = tuple(replace(v, turn=since.get(v.check, v.turn)) for v in violations)
            tally.counterexamples.append(
                Counterexample(scenario=self.scenario.name, execution=execution, violations=found, replay=replay)
            )
        return not expected or expected <= known | checks

    def _confirm(self, order: Order | None, execution: Execution, checks: set[str]) -> Mapping[str, int]:
        """Replay the execution at once; the turns since which its SQL invariants were broken. Raises
        `NondeterminismError` when the same choices lead to another verdict."""
        again, since = self.stage.replay(Replay(execution.schedule, exact=True), seed=execution.schedule.seed)
        seen = {v.check for r in judge(self.stage.context(again, order)) for v in r.violations}
        if seen != checks:
            raise NondeterminismError(
                f"{self.scenario.name}: schedule {execution.number + 1} violated {', '.join(sorted(checks))}; "
                f"its replay violated {', '.join(sorted(seen)) or 'nothing'}"
            )
        return since


def make_strategy(name: str, seed: int) -> Strategy:
    """A fresh search strategy by its name on the command line."""
    makers: dict[str, Callable[[], Strategy]] = {
        "exhaustive": Exhaustive,
        "random_walk": lambda: RandomWalk(seed),
    }
    return makers[name]()


def conclude(
    scenario: Scenario, options: Options, tally: Tally, server: str, elapsed_s: float, error: str | None
) -> ScenarioResult:
    """The scenario's result: what was observed, what that means, and the verdict after ``expect``."""
    expected = set(scenario.expect_violation)
    if error is not None:
        observed = Verdict.ERROR
    elif tally.seen:
        observed = Verdict.VIOLATION
    elif tally.executed and tally.overlapped and tally.changed:
        observed = Verdict.PASS
    else:
        observed = Verdict.INCONCLUSIVE
    verdict = observed
    if observed is Verdict.VIOLATION and expected and expected <= tally.seen:
        verdict = Verdict.PASS
    elif observed is Verdict.PASS and expected:
        verdict = Verdict.VIOLATION
    elif observed is Verdict.PASS and options.require_exhausted and not tally.exhausted:
        verdict = Verdict.INCONCLUSIVE
    first = tally.first_violation
    return ScenarioResult(
        name=scenario.name,
        file=scenario.file,
        about=scenario.about,
        verdict=verdict,
        observed=observed,
        expect=scenario.expect_violation,
        strategy=", ".join(dict.fromkeys(_strategies(scenario, options))),
        schedules=tally.executed,
        exhausted=tally.exhausted,
        meaning=error or meaning(scenario, tally, observed, server),
        elapsed_s=elapsed_s,
        schedules_to_first_violation=first[0] if first else None,
        seconds_to_first_violation=first[1] if first else None,
        counterexamples=tuple(tally.counterexamples),
        checks=tally.checks,
        passing=tally.passing,
    )


def _strategies(scenario: Scenario, options: Options) -> Iterator[str]:
    for interleaving in scenario.interleavings:
        yield "fixed" if isinstance(interleaving, Order) else options.strategy or interleaving.strategy
