"""What a matrix means for its scenario's verdict."""

from __future__ import annotations

import time
from dataclasses import replace

from harness.campaign import Options, Progress
from harness.db import answering
from harness.errors import HarnessError, UsageError
from harness.matrix.whole import Whole
from harness.model import FaultMatrix, FaultOutcome, Scenario, ScenarioResult, Verdict
from harness.stage import Stages


def with_faults(
    result: ScenarioResult,
    scenario: Scenario,
    stages: Stages,
    faults: tuple[str, ...],
    options: Options,
    progress: Progress,
    server: str,
) -> ScenarioResult:
    """``result`` of the scenario's campaign and, on top, its fault matrix. A `UsageError` is raised, any other
    `HarnessError` becomes the verdict "error"."""
    if result.verdict is Verdict.ERROR:
        return result
    begin = time.monotonic()
    found = len(result.counterexamples)

    def done(executed: int, examples: int) -> None:
        progress.schedule_done(scenario.name, result.schedules + executed, found + examples)

    walk = Whole(scenario, stages, faults, options, server, done)
    try:
        with answering():
            matrix = walk.run()
    except UsageError:
        raise
    except HarnessError as e:
        return replace(
            result,
            verdict=Verdict.ERROR,
            observed=Verdict.ERROR,
            schedules=result.schedules + walk.executed,
            meaning=f"in the fault matrix: {e}",
            counterexamples=(*result.counterexamples, *walk.examples),
        )
    verdict, observed = judged(result, matrix)
    if verdict is Verdict.PASS and options.require_exhausted and not _searched_to_the_end(matrix):
        verdict = Verdict.INCONCLUSIVE
    return replace(
        result,
        verdict=verdict,
        observed=observed,
        schedules=result.schedules + walk.executed,
        elapsed_s=result.elapsed_s + time.monotonic() - begin,
        meaning=f"{result.meaning} {sentence(matrix)}",
        counterexamples=(*result.counterexamples, *walk.examples),
        faults=matrix,
    )


def judged(result: ScenarioResult, matrix: FaultMatrix) -> tuple[Verdict, Verdict]:
    """(verdict, observed) of campaign and matrix together. A red cell is a violation, unless each check that it
    violates is one that the scenario documents; a matrix in which nothing struck shows nothing."""
    seen = {check for c in matrix.cells for check in c.checks}
    if matrix.drawn is not None:
        seen |= set(matrix.drawn.checks)
    if seen:
        if not seen <= set(result.expect):
            return Verdict.VIOLATION, Verdict.VIOLATION
        if seen == set(result.expect) and result.observed is not Verdict.VIOLATION:
            return Verdict.PASS, Verdict.VIOLATION  # it needs a fault to show
        return result.verdict, Verdict.VIOLATION
    struck = any(c.fired for c in matrix.cells)
    if result.verdict is Verdict.PASS and not (struck and matrix.complete):
        return Verdict.INCONCLUSIVE, result.observed
    return result.verdict, result.observed


def _searched_to_the_end(matrix: FaultMatrix) -> bool:
    """Nothing was left out of a search. (Where orders were drawn nobody has searched, and only the campaign must have
    come to an end. What a cell has shown to be red needs no search.)"""
    drawn = matrix.drawn
    return drawn is None or not drawn.searched or drawn.exhausted or any(c.checks for c in matrix.cells)


def sentence(matrix: FaultMatrix) -> str:
    """The matrix in words."""
    fired = sum(c.fired for c in matrix.cells)
    red = sum(c.outcome is FaultOutcome.VIOLATED for c in matrix.cells)
    points = len({(c.worker, c.position) for c in matrix.cells})
    text = f"Faults struck {fired} times at {points} points, each followed by a retry; "
    text += f"{red} of these executions violated something." if red else "nothing was violated."
    if matrix.drawn is not None and matrix.drawn.executed:
        struck = sum(matrix.drawn.struck.values())
        orders = "with few switches first" if matrix.drawn.searched else "in drawn orders"
        text += f" In mid-race, {orders}, they struck {struck} times in {matrix.drawn.executed} executions; "
        text += "the last one violated something." if matrix.drawn.checks else "nothing was violated."
        if matrix.drawn.exhausted:
            text += (
                " Every order with at most one of these faults, at any point, was executed, or one equivalent to it."
            )
    return text if matrix.complete else f"{text} The time was up before the matrix was complete."
