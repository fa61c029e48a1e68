"""The whole matrix of a scenario: faults on its own stage, crashes of the server on another; then all as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.campaign import Options
from harness.crash import crashing
from harness.matrix.retry import INSIDE
from harness.matrix.walk import Walk
from harness.model import CRASHES, FAULTS, Counterexample, FaultMatrix, Scenario
from harness.stage import Stage, Stages


class Whole:
    """A matrix of ``faults`` in the making. ``examples`` and ``executed`` are those of `Walk`, over both parts."""

    def __init__(
        self,
        scenario: Scenario,
        stages: Stages,
        faults: Sequence[str],
        options: Options,
        server: str,
        done: Callable[[int, int], None],
    ) -> None:
        self._scenario, self._stages, self._faults = scenario, stages, faults
        self._options, self._server, self._done = options, server, done
        self.examples: list[Counterexample] = []
        self.executed = 0

    def run(self) -> FaultMatrix:
        """The whole matrix, as far as the time allows. Raises `HarnessError`."""
        parts: list[FaultMatrix] = []
        for kind in (FAULTS, CRASHES):
            named = tuple(name for name in self._faults if name in kind)
            if named and all(part.complete for part in parts):
                parts.append(self._part(named))
        return joined(self._scenario, self._faults, parts)

    def _part(self, faults: tuple[str, ...]) -> FaultMatrix:
        if faults[0] in FAULTS:
            return self._walk(self._stages.of(INSIDE), faults)
        with crashing(self._scenario, self._stages.target, self._stages.pool) as stage:
            return self._walk(stage, faults)

    def _walk(self, stage: Stage, faults: tuple[str, ...]) -> FaultMatrix:
        walk = Walk(
            self._scenario, stage, faults, self._options, self._server, self._done, examples=self.examples,
            executed=self.executed,
        )  # fmt: skip
        try:
            return walk.run()
        finally:
            self.executed = walk.executed


def joined(scenario: Scenario, faults: Sequence[str], parts: Sequence[FaultMatrix]) -> FaultMatrix:
    """The matrix of ``faults`` from its ``parts``: worker by worker, point by point, fault by fault."""
    workers = [w.name for w in scenario.workers]
    cells = [cell for part in parts for cell in part.cells]
    cells.sort(key=lambda c: (workers.index(c.worker), c.position, faults.index(c.fault)))
    return FaultMatrix(
        faults=tuple(faults),
        cells=tuple(cells),
        complete=all(part.complete for part in parts),
        labels={step: label for part in parts for step, label in part.labels.items()},
        drawn=next((part.drawn for part in parts if part.drawn is not None), None),
    )
