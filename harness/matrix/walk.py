"""Walks the matrix: one execution per worker, point and fault; then faults in mid-race. The ordinary checks judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from harness.campaign import Options
from harness.found import Found, kept
from harness.matrix import searched
from harness.matrix.drawn import EXECUTIONS, SEARCHED, Drawing
from harness.matrix.evidence import left
from harness.matrix.retry import retried
from harness.matrix.strikable import strikable
from harness.matrix.strike import strike
from harness.model import (
    CRASHES,
    FAULTS,
    Counterexample,
    Execution,
    FaultCell,
    FaultMatrix,
    FaultOutcome,
    Scenario,
    Worker,
)
from harness.nearest import with_nearest
from harness.saving import save_counterexample, save_passing
from harness.stage import Stage
from harness.strategies.faulted import Alone, Faulted


@dataclass(slots=True)
class Walk:
    """One scenario's matrix in the making. ``examples``: the first counterexample of every set of checks.
    ``executed``: executions so far, but for those that only confirm."""

    scenario: Scenario
    stage: Stage
    faults: tuple[str, ...]
    options: Options
    server: str
    done: Callable[[int, int], None]
    """Told after every execution: how many so far, and how many examples."""
    cells: list[FaultCell] = field(default_factory=list)
    examples: list[Counterexample] = field(default_factory=list)
    executed: int = 0

    def run(self) -> FaultMatrix:
        """The whole matrix, as far as the time allows. Leaves the stage with another scenario than it found. Raises
        `HarnessError`."""
        # Not those that take everybody's connection: in mid-race that would be the end of every worker.
        drawn = tuple(name for name in self.faults if name in FAULTS)
        drawing = Drawing(self.scenario, self.stage, drawn, self.options, self.server)
        complete = True
        for worker in self.scenario.workers:
            self.stage.play(retried(self.scenario, worker.name))
            struck, retry = self.stage.scenario.workers[:2]
            complete = self._walk(struck, retry) and self._draw(drawing, struck)
            if not complete:
                break
        steps = {c.step for c in self.cells}
        return FaultMatrix(
            faults=self.faults,
            cells=tuple(self.cells),
            complete=complete,
            labels={s.id: s.label for s in self.stage.sites if s.id in steps},
            drawn=drawing.result() if drawn else None,
        )

    def _walk(self, struck: Worker, retry: Worker) -> bool:
        """The worker's cells; False when the time was up before the last one."""
        for position, step, name in self._places(struck):
            if self.options.out_of_time:
                return False
            self.cells.append(self._cell(struck, retry, position, step, name))
        return True

    def _draw(self, drawing: Drawing, struck: Worker) -> bool:
        """The worker's share of the faults in mid-race; False when the time was up before that. None where something is
        red already: what a worker that ran alone has violated needs no race."""
        mine = [c for c in self.cells if c.worker == struck.name]
        red = any(c.outcome is FaultOutcome.VIOLATED for c in self.cells)
        if not drawing.faults or drawing.found is not None or red:
            return True
        by_search = self.options.strategy == SEARCHED
        count = self.options.schedules or (searched.EXECUTIONS if by_search else EXECUTIONS)
        share = -(-count // len(self.scenario.workers))
        if by_search:
            in_time = searched.search(drawing, struck, share, self._count)
        else:
            in_time = drawing.draw(struck, mine, share, self._count)
        if drawing.found is not None:
            self._keep(drawing.found, drawing.replay, struck)
        return in_time

    def _count(self) -> None:
        self.executed += 1
        self.done(self.executed, len(self.examples))

    def _places(self, worker: Worker) -> Iterator[tuple[int, str, str]]:
        """Every point of the worker's run alone (position, step), with every fault; and for crashes of the server one
        more, right behind its last answer (step "")."""
        alone = Alone(worker.name)
        alone.start()
        self.stage.execute(alone, self.stage.next_number(), seed=self.options.seed)
        for position, step in enumerate(alone.steps):
            for name in self.faults:
                yield position, step, name
        for name in self.faults:
            if name in CRASHES and alone.steps:
                yield len(alone.steps), "", name

    def _cell(self, worker: Worker, retry: Worker, position: int, step: str, name: str) -> FaultCell:
        action = FAULTS.get(name) or CRASHES[name]
        if not strikable(worker, action, step):
            return FaultCell(worker=worker.name, position=position, step=step, fault=name,
                             outcome=FaultOutcome.NOTHING, fired=False)  # fmt: skip
        struck = strike(self.stage, Faulted(worker.name, position, action), self.options)
        violations = struck.violations
        replay = ""
        if violations:

            def save(found: Found) -> str:
                return save_counterexample(
                    self.options.folder, self.scenario, self.server, 0, found.execution, found.violations,
                    f"{worker.name}-{position}-{name}", retry=worker.name, moments=found.story.moments,
                )  # fmt: skip

            found, replay = kept(self.stage, struck.execution, None, violations, (), save)
            self._keep(found, replay, worker)
        self._count()
        outcome = FaultOutcome.HELD if struck.fired else FaultOutcome.NOTHING
        outcome = FaultOutcome.VIOLATED if violations else outcome
        return FaultCell(
            worker=worker.name,
            position=position,
            step=step,
            fault=name,
            outcome=outcome,
            fired=struck.fired,
            checks=dict(Counter(v.check for v in violations)),
            message=violations[0].message if violations else "",
            left=left(struck.execution, retry.name),
            replay=replay,
        )

    def _keep(self, found: Found, replay: str, struck: Worker) -> None:
        """As a counterexample for the report, unless another one violates the same checks; with what explains it."""
        checks = {v.check for v in found.violations}
        if any(checks == {v.check for v in e.violations} for e in self.examples):
            return
        example = found.example(self.scenario.name, replay)
        self.examples.append(example)  # whatever becomes of what explains it
        if not self.options.explain:
            return

        def save(execution: Execution) -> str:
            return save_passing(
                replay, self.scenario, self.server, 0, execution, found.without, retry=struck.name
            )  # fmt: skip

        self.examples[-1] = with_nearest(example, self.stage, found, save)
