"""Faults in mid-race: each fault at each point of one worker in turn, while everybody runs in a drawn order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from harness.campaign import Options
from harness.found import Found, kept
from harness.matrix.evidence import struck_by
from harness.matrix.strikable import strikable
from harness.matrix.strike import strike
from harness.model import FAULTS, DrawnFaults, Execution, FaultCell, Scenario, Violation, Worker
from harness.saving import save_counterexample
from harness.stage import Stage
from harness.strategies.draw import Draw
from harness.strategies.pct import Pct
from harness.strategies.protocol import Strategy
from harness.strategies.random_walk import RandomWalk
from harness.strategies.struck import Struck

EXECUTIONS = 100
"""Per scenario, where nobody says otherwise."""
SEARCHED = "exhaustive"
"""The strategy that is no drawing: see `harness.matrix.searched`."""


@dataclass(slots=True)
class Drawing:
    """Draws for one scenario, worker by worker, until something is violated. ``struck``: (worker, step, fault) → the
    executions whose events show that it struck there; ``found``: what was violated, made smaller; ``replay``: the path
    of its schedule; ``exhausted``: workers for which a search has come to its end."""

    scenario: Scenario
    stage: Stage
    faults: tuple[str, ...]
    options: Options
    server: str
    executed: int = 0
    struck: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    found: Found | None = None
    replay: str = ""
    exhausted: set[str] = field(default_factory=set)

    def draw(self, worker: Worker, cells: Sequence[FaultCell], count: int, done: Callable[[], None]) -> bool:
        """``count`` executions, or up to the first violation; False when the time was up before that. The stage must
        have ``worker`` and its retry; ``cells``: its part of the matrix. ``done`` is called after each. Raises
        `HarnessError`."""
        inner = self._orders(count)
        for i, (position, at, name) in zip(range(count), self._aims(worker, cells), strict=False):
            if self.options.out_of_time:
                return False
            can = partial(strikable, worker, FAULTS[name])
            orders = inner[i % len(inner)]
            strategy = Struck(orders, worker.name, position, FAULTS[name], can, at=at)
            struck = strike(self.stage, strategy, self.options)
            self.note(worker, struck.execution, struck.violations)
            done()
            if struck.violations:
                break
        return True

    def note(self, worker: Worker, execution: Execution, violations: Sequence[Violation]) -> None:
        """Count an execution, and the fault that struck ``worker`` in it; keep what it violates."""
        self.executed += 1
        name, step = struck_by(execution)
        if name:
            self.struck[worker.name, step, name] += 1
        if violations:
            self._keep(execution, violations, worker)

    def result(self) -> DrawnFaults:
        """What came of it so far."""
        everybody = {w.name for w in self.scenario.workers}
        checks = Counter(v.check for v in self.found.violations) if self.found is not None else {}
        return DrawnFaults(
            executed=self.executed,
            struck=self.struck,
            checks=dict(checks),
            replay=self.replay,
            searched=self.options.strategy == SEARCHED,
            exhausted=self.exhausted == everybody,
        )

    def _aims(self, worker: Worker, cells: Sequence[FaultCell]) -> Iterator[tuple[int, tuple[str, int], str]]:
        """(position, the step there and for which time the worker comes to it, fault) without end: all that can strike
        the worker alone, in a drawn order, then all again in another one. So none is aimed at more than once oftener
        than another."""
        steps = list({c.position: c.step for c in cells}.values())
        aims = [
            (c.position, (c.step, steps[: c.position + 1].count(c.step)), c.fault)
            for c in cells
            if strikable(worker, FAULTS[c.fault], c.step)
        ]
        drawn = random.Random(f"faults {self.options.seed} {worker.name}")
        while aims:
            yield from drawn.sample(aims, len(aims))

    def _orders(self, count: int) -> tuple[Strategy, ...]:
        """Those asked for, if they are drawn; else two kinds that take turns."""
        seed, workers = self.options.seed, [w.name for w in self.stage.scenario.workers]
        match self.options.strategy:
            case Draw.name:
                return (Draw(seed, limit=count, workers=workers),)
            case RandomWalk.name:
                return (RandomWalk(seed),)
            case Pct.name:
                return (Pct(seed, n=len(workers)),)
            case _:
                return (RandomWalk(seed), Pct(seed, n=len(workers)))

    def _keep(self, execution: Execution, violations: Sequence[Violation], worker: Worker) -> None:
        def save(found: Found) -> str:
            return save_counterexample(
                self.options.folder, self.scenario, self.server, 0, found.execution, found.violations,
                f"{worker.name}-struck", found.without, retry=worker.name, moments=found.story.moments,
            )  # fmt: skip

        target = {violations[0].check}
        self.found, self.replay = kept(self.stage, execution, None, violations, target, save)
