"""Runs a scenario at every level that is asked for: at its own as always, at each other one its searches."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from harness.campaign import Options, Progress, run_campaign
from harness.driver.levels import sets_own_level
from harness.errors import HarnessError, UsageError
from harness.isolation.lost import Lost
from harness.isolation.scenario import at_level, at_own_level, orders_left_out
from harness.isolation.verdict import level_verdict, level_words, violated, with_rows
from harness.model import LEVELS, Counterexample, Going, LevelResult, Scenario, ScenarioResult, Verdict
from harness.stage import Stages


@dataclass(slots=True)
class Levels:
    """One scenario's levels. ``levels``: those to run at besides its own, which always counts. ``rows``: what came of
    them so far."""

    scenario: Scenario
    stages: Stages
    levels: tuple[str, ...]
    options: Options
    progress: Progress
    server: str
    rows: list[LevelResult] = field(default_factory=list)

    def at_own(self) -> ScenarioResult:
        """The scenario's ordinary campaign. Raises as `run_campaign` does."""
        own, lost = self._own_level(), Lost()
        scenario = at_own_level(self.scenario, own)
        result = run_campaign(scenario, self.stages, lost.counted(self.options), self.progress, self.server)
        self.rows.append(self._row(own, result, result.verdict, lost, own=True))
        return result

    def with_others(self, result: ScenarioResult) -> ScenarioResult:
        """``result`` of the scenario at its own level (`at_own`), and on top the other levels', from the weakest. A
        `UsageError` is raised, any other `HarnessError` is the verdict of its level."""
        [own] = self.rows
        if result.verdict is Verdict.ERROR:
            return replace(result, levels=(own,))
        begin = time.monotonic()
        told = _Told(self.progress, result)
        examples: list[Counterexample] = []
        for level in LEVELS:
            if level in self.levels and level != own.level:
                row, found = self._at(level, told)
                self.rows.append(row)
                told.add(found)
                if row.verdict is Verdict.VIOLATION:
                    examples += (_said_at(level, example) for example in found.counterexamples)
        known = list(LEVELS)
        rows = sorted(self.rows, key=lambda row: known.index(row.level) if row.level in known else -1)
        return with_rows(result, rows, examples, time.monotonic() - begin)

    def _at(self, level: str, told: _Told) -> tuple[LevelResult, ScenarioResult]:
        scenario, lost = at_level(self.scenario, level), Lost()
        stages = self.stages.beside(scenario, level)
        try:
            found = run_campaign(scenario, stages, lost.counted(self.options), told, self.server)
        finally:
            stages.close()
        return self._row(level, found, level_verdict(self.scenario, level, found, self.options), lost), found

    def _row(
        self, level: str, result: ScenarioResult, verdict: Verdict, lost: Lost, *, own: bool = False
    ) -> LevelResult:
        violations = [(v.message, example.replay) for example in result.counterexamples for v in example.violations]
        message, replay = violations[0] if violations else ("", "")
        return LevelResult(
            level=level,
            own=own,
            verdict=verdict,
            observed=result.observed,
            expect=result.expect,
            strategy=result.strategy,
            schedules=result.schedules,
            exhausted=result.exhausted,
            lost=lost.executions,
            meaning=result.meaning,
            violated=violated(result),
            message=message,
            replay=replay,
            set_by=tuple(w.name for w in self.scenario.workers if sets_own_level(w)),
            left_out=0 if own else orders_left_out(self.scenario),
        )

    def _own_level(self) -> str:
        try:
            return self.stages.level
        except UsageError:
            raise
        except HarnessError:  # the campaign meets the same, and makes it its verdict
            return ""


class _Told:
    """Tells of a level's executions as of further ones of its scenario."""

    def __init__(self, progress: Progress, result: ScenarioResult) -> None:
        self._progress, self._name = progress, result.name
        self._executed, self._found = result.schedules, len(result.counterexamples)

    def add(self, result: ScenarioResult) -> None:
        """A level is over."""
        self._executed += result.schedules
        self._found += len(result.counterexamples)

    def interleaving_started(self, _: str, look: Callable[[], Going]) -> None:
        """One more, at the level that is under way."""
        self._progress.interleaving_started(self._name, look)

    def schedule_done(self, _: str, done: int, violations: int) -> None:
        """One more, at the level that is under way."""
        self._progress.schedule_done(self._name, self._executed + done, self._found + violations)


def _said_at(level: str, example: Counterexample) -> Counterexample:
    at = f"at {level_words(level)}: "
    return replace(example, violations=tuple(replace(v, message=at + v.message) for v in example.violations))
