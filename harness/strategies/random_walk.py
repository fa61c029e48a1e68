"""At every point any worker that can act, all equally likely."""

from __future__ import annotations

import random

from harness.model import Choice, Effect


class RandomWalk:
    """Execution *n* of seed *s* always draws the same numbers, whatever came before it."""

    name = "random_walk"

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._execution = -1
        self._random = random.Random()

    @property
    def exhausted(self) -> bool:
        return False

    def start(self) -> bool:
        self._execution += 1
        self._random.seed(f"random_walk {self._seed} {self._execution}")
        return True

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        return self._random.choice(enabled) if enabled else None

    def observe(self, effect: Effect) -> None:
        """What a turn did makes no difference here."""
