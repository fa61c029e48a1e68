"""Walks the cases in the file's order: one execution each, with fresh ids, in the same process and session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from harness.campaign import Options
from harness.cases.single import single
from harness.checks import judge
from harness.checks.answers import answer_of
from harness.checks.single_call import answered, found
from harness.found import Found, kept
from harness.model import Case, CaseResult, Execution, Scenario, Violation
from harness.saving import save_counterexample, save_history
from harness.stage import Stage, Stages
from harness.strategies.serial import Serial
from harness.tally import Tally

EXAMPLES = 10
"""Red cases that reports show in full. More are shown of a kind that was not seen before; all are saved and listed."""


@dataclass(slots=True)
class Walk:
    """The cases of one scenario in the making. ``tally``: what was executed and judged so far."""

    scenario: Scenario
    stages: Stages
    options: Options
    server: str
    done: Callable[[int, int], None]
    """Told after every execution: how many so far, and how many counterexamples."""
    tally: Tally = field(default_factory=Tally)
    results: list[CaseResult] = field(default_factory=list)

    def run(self) -> None:
        """Every case, as far as the time allows. Raises `HarnessError`."""
        first, case = single(self.scenario, self.scenario.cases[0].name)
        # Made for them all: some role of theirs may have to be made as well.
        stages = self.stages.beside(replace(first, cases=self.scenario.cases))
        try:
            stage = stages.of(case)
            for each in self.scenario.cases:
                if self.options.out_of_time:
                    self.tally.out_of_time = True
                    return
                alone, case = single(self.scenario, each.name)
                stage.play(alone)
                self.results.append(self._case(stage, case))
                self.done(self.tally.executed, len(self.tally.counterexamples))
        finally:
            stages.close()

    def _case(self, stage: Stage, case: Case) -> CaseResult:
        strategy = Serial([case.worker.name])
        strategy.start()
        execution = stage.execute(strategy, self.tally.executed, seed=self.options.seed)
        context = stage.context(execution, case)
        violations = self.tally.add(judge(context))
        if self.options.watch is not None:
            self.options.watch(context)
        answer = answered(context, case)
        replay = self._kept(stage, case, execution, violations) if violations else ""
        if not violations and self.tally.passing is None:
            self._pass(execution)
        return CaseResult(
            case=case,
            sql=next(s.sql for s in case.worker.statements if s.name == case.call),
            answered=None if answer is None else answer_of(answer),
            changed=found(context, case) != execution.history.closing,
            checks=dict(Counter(v.check for v in violations)),
            message=violations[0].message if violations else "",
            replay=replay,
        )

    def _pass(self, execution: Execution) -> None:
        self.tally.passing = execution
        if self.options.folder is not None and not self.scenario.workers:
            save_history(self.options.folder / f"{self.scenario.name}.history.jsonl", execution)

    def _kept(self, stage: Stage, case: Case, execution: Execution, violations: list[Violation]) -> str:
        """Save the case and confirm it; the path of its schedule."""

        def save(found: Found) -> str:
            return save_counterexample(
                self.options.folder, self.scenario, self.server, 0, found.execution, found.violations, case.name,
                case=case.name, moments=found.story.moments,
            )  # fmt: skip

        confirmed, replay = kept(stage, execution, case, violations, (), save)
        kinds = [{v.check for v in e.violations} for e in self.tally.counterexamples]
        if len(kinds) < EXAMPLES or {v.check for v in violations} not in kinds:
            self.tally.counterexamples.append(confirmed.example(self.scenario.name, replay))
        return replay
