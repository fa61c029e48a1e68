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
from harness.matrix.strike import Strike, strike
from harness.model import FAULTS, DrawnFaults, Scenario, Worker
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
    """Draws for one scenario, worker by worker, until something is violated. ``struck``: by fault, the executions whose
    events show that it did; ``found``: what was violated, made smaller; ``replay``: the path of its schedule."""

    scenario: Scenario
    stage: Stage
    faults: tuple[str, ...]
    options: Options
    server: str
    executed: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    found: Found | None = None
    replay: str = ""

    def draw(self, worker: Worker, steps: Sequence[str], count: int, done: Callable[[], None]) -> bool:
        """``count`` executions, or up to the first violation; False when the time was up before that. The stage must
        have ``worker`` and its retry; alone the worker takes ``steps``. A fault is drawn from those that can strike
        some of them, and then one of these. ``done`` is called after each execution. Raises `HarnessError`."""
        places = {name: [i for i, s in enumerate(steps) if strikable_in_race(worker, FAULTS[name], s)]
                  for name in self.faults}  # fmt: skip
        names = [name for name, positions in places.items() if positions]
        if not names:
            return True
        seed = self.options.seed
        inner: tuple[Strategy, ...] = (RandomWalk(seed), Pct(seed, n=len(self.stage.scenario.workers)))
        for i in range(count):
            if self.options.out_of_time:
                return False
            drawn = random.Random(f"faults {seed} {worker.name} {i}")
            name = drawn.choice(names)
            position = drawn.choice(places[name])
            action = FAULTS[name]
            can = partial(strikable_in_race, worker, action)
            struck = strike(self.stage, Struck(inner[i % 2], worker.name, position, action, can), self.options)
            self.executed += 1
            self.struck[name] += struck.fired
            if struck.violations:
                self._keep(struck, worker)
            done()
            if struck.violations:
                break
        return True

    def result(self) -> DrawnFaults:
        """What came of it so far."""
        checks = Counter(v.check for v in self.found.violations) if self.found is not None else {}
        struck = {name: self.struck[name] for name in self.faults}
        return DrawnFaults(executed=self.executed, struck=struck, checks=dict(checks), replay=self.replay)

    def _keep(self, struck: Strike, worker: Worker) -> None:
        def save(found: Found) -> str:
            return save_counterexample(
                self.options.folder, self.scenario, self.server, 0, found.execution, found.violations,
                f"{worker.name}-struck", found.without, retry=worker.name,
            )  # fmt: skip

        target = {struck.violations[0].check}
        self.found, self.replay = kept(self.stage, struck.execution, None, struck.violations, target, save)
