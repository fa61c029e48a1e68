"""Faults in mid-race: a drawn fault at a drawn point of one worker, while everybody else runs in a drawn order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

from harness.campaign import Options
from harness.checks import judge
from harness.found import Found, confirmed, shrunk
from harness.matrix.evidence import fired
from harness.matrix.strikable import strikable_in_race
from harness.model import FAULTS, DrawnFaults, Execution, Scenario, Violation, Worker
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
    """Draws for one scenario, worker by worker. ``struck``: by fault, the executions whose events show that it did;
    ``found``: what was violated first, made smaller; ``replay``: the path of its schedule."""

    scenario: Scenario
    stage: Stage
    faults: tuple[str, ...]
    options: Options
    server: str
    executed: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    found: Found | None = None
    replay: str = ""

    def draw(self, worker: Worker, points: int, count: int, done: Callable[[], None]) -> None:
        """``count`` executions, or up to the first violation or the end of the time. The stage must have ``worker`` and
        its retry; alone the worker passes ``points`` points. ``done`` is called after each. Raises `HarnessError`."""
        seed = self.options.seed
        inner: tuple[Strategy, ...] = (RandomWalk(seed), Pct(seed, n=len(self.stage.scenario.workers)))
        for i in range(count):
            if self.options.out_of_time or self.found is not None:
                return
            drawn = random.Random(f"faults {seed} {worker.name} {i}")
            name, position = drawn.choice(self.faults), drawn.randrange(points)
            action = FAULTS[name]
            strategy = Struck(inner[i % 2], worker.name, position, action, partial(strikable_in_race, worker, action))
            strategy.start()
            execution = self.stage.execute(strategy, self.stage.next_number(), seed=seed)
            self.executed += 1
            context = self.stage.context(execution, None)
            violations = [v for result in judge(context) for v in result.violations]
            self.struck[name] += fired(execution, worker.name, action, strategy.turn)
            if self.options.watch is not None:
                self.options.watch(context)
            if violations:
                self._keep(execution, violations, worker)
            done()

    def result(self) -> DrawnFaults:
        """What came of it so far."""
        checks = Counter(v.check for v in self.found.violations) if self.found is not None else {}
        struck = {name: self.struck[name] for name in self.faults}
        return DrawnFaults(executed=self.executed, struck=struck, checks=dict(checks), replay=self.replay)

    def _keep(self, execution: Execution, violations: list[Violation], worker: Worker) -> None:
        def save(execution: Execution, violations: Sequence[Violation], without: Collection[str] = ()) -> str:
            return save_counterexample(
                self.options.folder, self.scenario, self.server, 0, execution, violations,
                f"{worker.name}-struck", without, retry=worker.name,
            )  # fmt: skip

        save(execution, violations)  # before anything else is tried with it
        found = shrunk(self.stage, confirmed(self.stage, execution, None, violations), {violations[0].check})
        self.found, self.replay = found, save(found.execution, found.violations, found.without)
