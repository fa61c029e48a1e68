"""Faults in mid-race: each fault at each point of one worker in turn, while everybody runs in a drawn order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from harness.campaign import Options
from harness.found import Found, kept
from harness.matrix.strikable import strikable
from harness.matrix.strike import Strike, strike
from harness.model import FAULTS, DrawnFaults, FaultCell, Scenario, Worker
from harness.saving import save_counterexample
from harness.stage import Stage
from harness.strategies.pct import Pct
from harness.strategies.protocol import Strategy
from harness.strategies.random_walk import RandomWalk
from harness.strategies.struck import Struck

EXECUTIONS = 100
"""Per scenario, where nobody says otherwise."""


@dataclass(slots=True)
class Drawing:
    """Draws for one scenario, worker by worker, until something is violated. ``struck``: (worker, step, fault) → the
    executions whose events show that it struck there; ``found``: what was violated, made smaller; ``replay``: the path
    of its schedule."""

    scenario: Scenario
    stage: Stage
    faults: tuple[str, ...]
    options: Options
    server: str
    executed: int = 0
    struck: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    found: Found | None = None
    replay: str = ""

    def draw(self, worker: Worker, cells: Sequence[FaultCell], count: int, done: Callable[[], None]) -> bool:
        """``count`` executions, or up to the first violation; False when the time was up before that. The stage must
        have ``worker`` and its retry; ``cells``: its part of the matrix. ``done`` is called after each. Raises
        `HarnessError`."""
        seed = self.options.seed
        inner: tuple[Strategy, ...] = (RandomWalk(seed), Pct(seed, n=len(self.stage.scenario.workers)))
        for i, (position, at, name) in zip(range(count), self._aims(worker, cells), strict=False):
            if self.options.out_of_time:
                return False
            can = partial(strikable, worker, FAULTS[name])
            strategy = Struck(inner[i % 2], worker.name, position, FAULTS[name], can, at)
            struck = strike(self.stage, strategy, self.options)
            self.executed += 1
            self.struck[worker.name, strategy.step, name] += struck.fired
            if struck.violations:
                self._keep(struck, worker)
            done()
            if struck.violations:
                break
        return True

    def result(self) -> DrawnFaults:
        """What came of it so far."""
        checks = Counter(v.check for v in self.found.violations) if self.found is not None else {}
        return DrawnFaults(executed=self.executed, struck=+self.struck, checks=dict(checks), replay=self.replay)

    def _aims(self, worker: Worker, cells: Sequence[FaultCell]) -> Iterator[tuple[int, tuple[str, int], str]]:
        """(position, the step there and for which time the worker comes to it, fault) without end: all that struck the
        worker alone, in a drawn order, then all again in another one. So none is aimed at more than once oftener than
        another."""
        steps = list({c.position: c.step for c in cells}.values())
        aims = [(c.position, (c.step, steps[: c.position + 1].count(c.step)), c.fault) for c in cells if c.fired]
        drawn = random.Random(f"faults {self.options.seed} {worker.name}")
        while aims:
            yield from drawn.sample(aims, len(aims))

    def _keep(self, struck: Strike, worker: Worker) -> None:
        def save(found: Found) -> str:
            return save_counterexample(
                self.options.folder, self.scenario, self.server, 0, found.execution, found.violations,
                f"{worker.name}-struck", found.without, retry=worker.name,
            )  # fmt: skip

        target = {struck.violations[0].check}
        self.found, self.replay = kept(self.stage, struck.execution, None, struck.violations, target, save)
