"""What single calls mean for their scenario's verdict. Nothing is interleaved, and nothing has to be."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace

from harness.campaign import Options, Progress
from harness.cases.walk import Walk
from harness.errors import HarnessError, UsageError
from harness.model import CaseResult, CheckResult, Scenario, ScenarioResult, Verdict
from harness.stage import Stages

_NAMED = 3
STRATEGY = "cases"


def with_cases(
    result: ScenarioResult,
    scenario: Scenario,
    stages: Stages,
    options: Options,
    progress: Progress,
    server: str,
) -> ScenarioResult:
    """``result`` of the scenario's campaign and, on top, its single calls; of a scenario without workers the single
    calls alone. A `UsageError` is raised, any other `HarnessError` becomes the verdict "error"."""
    if result.verdict is Verdict.ERROR:
        return result
    begin = time.monotonic()
    before = len(result.counterexamples)

    def done(executed: int, examples: int) -> None:
        progress.schedule_done(scenario.name, result.schedules + executed, before + examples)

    walk = Walk(scenario, stages, options, server, done)
    try:
        walk.run()
    except UsageError:
        raise
    except HarnessError as e:
        return replace(result, verdict=Verdict.ERROR, observed=Verdict.ERROR, meaning=f"in a single call: {e}")
    complete = len(walk.results) == len(scenario.cases)
    alone = not scenario.workers
    elapsed = time.monotonic() - begin
    verdict, observed = judged(result, walk.tally.seen, complete=complete, alone=alone)
    said = sentence(walk.results, len(scenario.cases), scenario.expect_violation, server, alone=alone)
    first = next((n for n, r in enumerate(walk.results, 1) if r.checks), None)
    return replace(
        result,
        verdict=verdict,
        observed=observed,
        strategy=STRATEGY if alone else f"{result.strategy}, {STRATEGY}",
        schedules=result.schedules + walk.tally.executed,
        exhausted=complete if alone else result.exhausted,
        meaning=said if alone else f"{result.meaning} {said}",
        elapsed_s=result.elapsed_s + elapsed,
        schedules_to_first_violation=result.schedules_to_first_violation
        or (None if first is None else result.schedules + first),
        counterexamples=(*result.counterexamples, *walk.tally.counterexamples),
        checks=_merged(result.checks, walk.tally.checks),
        passing=result.passing or walk.tally.passing,
        cases=tuple(walk.results),
    )


def judged(
    result: ScenarioResult, violated: Collection[str], *, complete: bool, alone: bool
) -> tuple[Verdict, Verdict]:
    """(verdict, observed) of campaign and single calls together. What a call violates must be what the scenario
    documents, and all that it documents must have been violated, by a call or in the campaign. ``alone``: there was no
    campaign."""
    expected = set(result.expect)
    seen = {c.check for c in result.checks if c.violations} | set(violated)
    if violated:
        documented = set(violated) <= expected <= seen
        return (Verdict.PASS if documented else Verdict.VIOLATION), Verdict.VIOLATION
    if not complete:
        # What the campaign has found stays found; that nothing was found is not known of the calls that are missing.
        verdict = Verdict.INCONCLUSIVE if alone or result.verdict is Verdict.PASS else result.verdict
        return verdict, Verdict.INCONCLUSIVE if alone else result.observed
    if alone:
        return (Verdict.VIOLATION if expected else Verdict.PASS), Verdict.PASS
    return result.verdict, result.observed


def sentence(
    results: Collection[CaseResult], declared: int, expected: Collection[str], server: str, *, alone: bool
) -> str:
    """The single calls in words."""
    red = [r.case.name for r in results if r.checks]
    calls = f"{len(results)} single {'call' if len(results) == 1 else 'calls'}"
    interleaved = "; nothing was interleaved" if alone else ""
    late = "" if len(results) == declared else f" The time was up: {declared} are declared."
    if not red:
        text = f"{calls} answered as declared on PostgreSQL {server}{interleaved}."
        if expected and alone:
            text = f"{calls} answered as declared, and what this scenario documents was never violated."
        return text + late
    names = ", ".join(red[:_NAMED]) + (f" and {len(red) - _NAMED} more" if len(red) > _NAMED else "")
    known = ", as documented" if {c for r in results for c in r.checks} <= set(expected) else ""
    return f"{len(red)} of {calls} did otherwise than declared ({names}){known}{interleaved}.{late}"


def _merged(first: tuple[CheckResult, ...], second: tuple[CheckResult, ...]) -> tuple[CheckResult, ...]:
    """The sums of both, per check."""
    sums = {c.check: c for c in first}
    for c in second:
        other = sums.get(c.check, CheckResult(check=c.check, examined=0))
        sums[c.check] = CheckResult(
            check=c.check,
            examined=other.examined + c.examined,
            violations=(*other.violations, *c.violations),
            notes=(*other.notes, *c.notes),
        )
    return tuple(sums.values())
