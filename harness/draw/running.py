"""Run a drawn case: execute, judge, tell Hypothesis how interesting it was, and raise what was violated."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import hypothesis

from harness.checks import judge
from harness.draw.case import Case
from harness.draw.runtime import runtime
from harness.draw.written import write_case
from harness.errors import HarnessError
from harness.found import confirmed
from harness.matrix.strikable import strikable
from harness.model import Counterexample, Decision, EventKind, Execution
from harness.report.explained import counterexample_text
from harness.stage import Stage
from harness.strategies.drawn import Drawn
from harness.strategies.protocol import Strategy
from harness.strategies.struck import Struck

OUT = Path("reports") / "drawn"
"""Where failing cases are kept, seen from the current folder."""


class Violated(AssertionError):
    """A case violated something: the text has the timeline and the replay command. ``counterexample`` has the rest."""

    def __init__(self, text: str, counterexample: Counterexample) -> None:
        super().__init__(text)
        self.counterexample = counterexample


def check(case: Case, *, name: str | None = None, out: Path | None = OUT) -> Execution:
    """Execute ``case`` once and give what happened, for further assertions. Raises `Violated` when a check fails.

    A violation is replayed exactly before it is told (`NondeterminismError` if that ends otherwise), and kept in the
    folder ``out`` under ``name`` (the test's, or the system's), as a scenario and a schedule: while Hypothesis shrinks,
    each smaller one takes the place of the one before. None keeps nothing.
    """
    __tracebackhide__ = True
    run = runtime()
    stage = run.stage(case.system)
    try:
        stage.play(case.scenario)
        strategy = _strategy(case, stage)
        strategy.start()
        execution = stage.execute(strategy, stage.next_number(), seed=0)
        violations = [v for r in judge(stage.context(execution, None)) for v in r.violations]
        _tell(execution)
        if not violations:
            return execution
        found = confirmed(stage, execution, None, violations)
    except HarnessError:
        run.forget(case.system)
        raise
    title = name or _test_name() or case.system.name
    example = found.example(title, "", execution.schedule)
    if out is not None:
        path = write_case(case, out, title, run.server_version, found.execution, found.violations, found.story.moments)
        example = replace(example, replay=path)
    raise Violated(counterexample_text(example), example)


def _strategy(case: Case, stage: Stage) -> Strategy:
    drawn, aim = Drawn(case.numbers, case.order), case.aim
    if aim is None:
        return drawn
    worker = next(w for w in stage.scenario.workers if w.name == aim.worker)
    can = partial(strikable, worker, aim.action)
    return Struck(drawn, aim.worker, case.blow.position, aim.action, can, (aim.since, aim.until))


def _tell(execution: Execution) -> None:
    """Hypothesis looks for more of what its targets measure: races need workers in each other's way."""
    decisions = execution.schedule.decisions
    waits = sum(e.kind in (EventKind.BLOCKED, EventKind.DEADLOCK) for e in execution.history.events)
    if hypothesis.currently_in_test_context():
        hypothesis.target(float(sum(map(_interrupts, decisions, decisions[1:]))), label="overlap")
        hypothesis.target(float(waits), label="lock waits")


def _interrupts(before: Decision, decision: Decision) -> bool:
    """Whether another worker was taken though the one before could have gone on."""
    worker = before.choice.worker
    return decision.choice.worker != worker and any(c.worker == worker for c in decision.enabled)


def _test_name() -> str | None:
    """Of the test that pytest is running, as a file's name."""
    current = os.environ.get("PYTEST_CURRENT_TEST", "")
    found = re.sub(r"[^A-Za-z0-9]+", "_", current.rpartition("::")[2].partition(" ")[0]).strip("_")[:60]
    return found if found[:1].isalpha() else None
