"""Faults in mid-race: a drawn fault at a drawn point of one worker, while everybody else runs in a drawn order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from harness.campaign import Options
from harness.found import Found, kept
from harness.matrix.strikable import strikable_in_race
from harness.matrix.strike import strike
from harness.model import FAULTS, DrawnFaults, Execution, Scenario, Violation, Worker
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
    """Draws for one scenario, worker by worker, until something is violated. ``struck``: by fault, the executions whose
    events show that it did; ``found``: what was violated, made smaller; ``replay``: the path of its schedule;
    ``exhausted``: workers for which a search has come to its end."""

    scenario: Scenario
    stage: Stage
    faults: tuple[str, ...]
    options: Options
    server: str
    executed: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    found: Found | None = None
    replay: str = ""
    exhausted: set[str] = field(default_factory=set)

    def draw(self, worker: Worker, points: int, count: int, done: Callable[[], None]) -> bool:
        """``count`` executions, or up to the first violation; False when the time was up before that. The stage must
        have ``worker`` and its retry; alone the worker passes ``points`` points. ``done`` is called after each. Raises
        `HarnessError`."""
        seed = self.options.seed
        inner = self._orders(count)
        for i in range(count):
            if self.options.out_of_time:
                return False
            drawn = random.Random(f"faults {seed} {worker.name} {i}")
            name, position = drawn.choice(self.faults), drawn.randrange(points)
            action = FAULTS[name]
            can = partial(strikable_in_race, worker, action)
            orders = inner[i % len(inner)]
            struck = strike(self.stage, Struck(orders, worker.name, position, action, can), self.options)
            self.note(worker, struck.execution, struck.violations, name if struck.fired else "")
            done()
            if struck.violations:
                break
        return True

    def note(self, worker: Worker, execution: Execution, violations: Sequence[Violation], struck: str) -> None:
        """Count an execution, in which the fault ``struck`` ("": none) struck ``worker``; keep what it violates."""
        self.executed += 1
        self.struck.update([struck] if struck else [])
        if violations:
            self._keep(execution, violations, worker)

    def result(self) -> DrawnFaults:
        """What came of it so far."""
        everybody = {w.name for w in self.scenario.workers}
        checks = Counter(v.check for v in self.found.violations) if self.found is not None else {}
        struck = {name: self.struck[name] for name in self.faults}
        return DrawnFaults(
            executed=self.executed,
            struck=struck,
            checks=dict(checks),
            replay=self.replay,
            searched=self.options.strategy == SEARCHED,
            exhausted=self.exhausted == everybody,
        )

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
                f"{worker.name}-struck", found.without, retry=worker.name,
            )  # fmt: skip

        target = {violations[0].check}
        self.found, self.replay = kept(self.stage, execution, None, violations, target, save)
