"""At every point any worker that can act, so weighted that all interleavings are about equally likely.

A worker with many steps left is taken more often than one with few: of workers that never wait, with r₁, r₂, … steps
left, r₁/Σr of all interleavings begin with the first. Taking each worker equally often instead prefers interleavings
in which the short ones come early. How many steps a worker has is learned from the executions before.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, count

from harness.model import Action, Choice, Effect
from harness.strategies.foreseen import Guide
from harness.strategies.protocol import TO_THE_END, Facts, Strategy

FARTHEST = 64
"""Turns that are looked ahead at most: the more, the less likely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """Foreseen: execution number ``execution``, before which workers took ``most`` steps."""

    seed: int
    execution: int
    most: tuple[tuple[str, int], ...]

    @property
    def key(self) -> Hashable:
        return self

    def strategy(self) -> Strategy:
        return RandomWalk(self.seed, first=self.execution, most=dict(self.most))


class RandomWalk:
    """Execution *i* of seed *s* always draws the same numbers; what was learned before it only weighs them. In
    execution 0 all workers weigh the same. ``first``: the number of the first execution here, before which workers took
    ``most`` steps."""

    name = "random_walk"

    def __init__(self, seed: int, *, first: int = 0, most: Mapping[str, int] | None = None) -> None:
        self.explored = 0
        self._seed = seed
        self._execution = first - 1
        self._random = random.Random()
        self._most: Counter[str] = Counter(most)
        self._taken: Counter[str] = Counter()
        self._numbers: list[float] = []
        """Drawn so far in this execution: one a turn, and those that `ahead` has looked at."""
        self._turn = 0
        self._workers: tuple[str, ...] = ()
        """Who could act at the latest turn, in order; nobody where a fault could be chosen as well."""
        self._current = ""

    @property
    def exhausted(self) -> bool:
        return False

    def start(self) -> bool:
        self.explored += bool(self._taken)
        self._most |= self._taken
        self._taken = Counter()
        self._execution += 1
        self._random.seed(f"random_walk {self._seed} {self._execution}")
        self._numbers, self._turn, self._workers = [], 0, ()
        return True

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        if not enabled:
            return None
        choice = enabled[self._drawn(self._turn, [c.worker for c in enabled], self._taken)]
        self._turn += 1
        self._workers = tuple(c.worker for c in enabled) if all(c.action is Action.RUN for c in enabled) else ()
        self._current = choice.worker
        self._taken[choice.worker] += 1
        return choice

    def observe(self, effect: Effect) -> None:
        """What a turn did makes no difference here."""

    def ahead(self) -> int:
        """As many of the next numbers as fall to the same worker again, should the same ones be able to act."""
        if not self._workers:
            return 0
        if len(self._workers) == 1:
            return TO_THE_END
        taken = self._taken.copy()
        for turn in count(self._turn):
            worker = self._workers[self._drawn(turn, self._workers, taken)]
            if worker != self._current or turn - self._turn == FARTHEST:
                break
            taken[worker] += 1
        return turn - self._turn

    def foresee(self, count: int) -> list[Guide]:
        most = tuple(sorted((self._most | self._taken).items()))
        coming = range(self._execution + 1, self._execution + 1 + count)
        return [Walked(seed=self._seed, execution=number, most=most) for number in coming]

    def facts(self) -> Facts:
        return {"explored": self.explored}

    def _drawn(self, turn: int, workers: Sequence[str], taken: Mapping[str, int]) -> int:
        """Which of ``workers`` the number of that turn falls to."""
        while turn >= len(self._numbers):
            self._numbers.append(self._random.random())
        # Who goes on for longer than ever before has at least the step that it is offered.
        left = [max(self._most[w] - taken[w], 1) if self._most else 1 for w in workers]
        bounds = list(accumulate(left))
        return bisect(bounds, self._numbers[turn] * bounds[-1], hi=len(left) - 1)
