"""At every point any worker that can act, so weighted that all interleavings are about equally likely.

A worker with many steps left is taken more often than one with few: of workers that never wait, with r₁, r₂, … steps
left, r₁/Σr of all interleavings begin with the first. Taking each worker equally often instead prefers interleavings
in which the short ones come early. How many steps a worker has is learned from the executions before.
"""

from __future__ import annotations

import random
from collections import Counter

from harness.model import Choice, Effect
from harness.strategies.protocol import Facts


class RandomWalk:
    """Execution *i* of seed *s* always draws the same numbers; what was learned before it only weighs them. In
    execution 0 all workers weigh the same."""

    name = "random_walk"

    def __init__(self, seed: int) -> None:
        self.explored = 0
        self._seed = seed
        self._execution = -1
        self._random = random.Random()
        self._most: Counter[str] = Counter()
        self._taken: Counter[str] = Counter()

    @property
    def exhausted(self) -> bool:
        return False

    def start(self) -> bool:
        self.explored += bool(self._taken)
        self._most |= self._taken
        self._taken = Counter()
        self._execution += 1
        self._random.seed(f"random_walk {self._seed} {self._execution}")
        return True

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        if not enabled:
            return None
        # Who goes on for longer than ever before has at least the step that it is offered.
        left = [max(self._most[c.worker] - self._taken[c.worker], 1) if self._most else 1 for c in enabled]
        [choice] = self._random.choices(enabled, weights=left)
        self._taken[choice.worker] += 1
        return choice

    def observe(self, effect: Effect) -> None:
        """What a turn did makes no difference here."""

    def ahead(self) -> int:
        """Nothing is promised."""
        return 0

    def facts(self) -> Facts:
        return {"explored": self.explored}
