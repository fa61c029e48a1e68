"""Random priorities that change at a few random points, with a known chance to hit any given race.

Burckhardt, Kothari, Musuvathi, Nagarakatte: "A randomized scheduler with probabilistic guarantees of finding bugs",
ASPLOS 2010. A race of depth d (d orderings must hold for it to show) among n workers that take k steps together shows
in each execution with probability 1/(n·k^(d−1)) or more, whatever the program looks like.
"""

from __future__ import annotations

import math
import random
from collections.abc import Hashable
from dataclasses import dataclass

from harness.model import Choice, Effect
from harness.strategies.foreseen import Guide
from harness.strategies.protocol import TO_THE_END, Facts, Strategy

DEPTH = 3
STEPS_AT_FIRST = 8
"""Steps that each worker is taken to have before any execution has shown it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prioritised:
    """Foreseen: execution number ``execution``, the longest one before which had ``k`` steps."""

    seed: int
    n: int
    depth: int
    k: int
    execution: int

    @property
    def key(self) -> Hashable:
        return self

    def strategy(self) -> Strategy:
        return Pct(self.seed, n=self.n, depth=self.depth, k=self.k, first=self.execution)


class Pct:
    """Execution *i* of seed *s* always draws the same numbers; ``k``, the longest execution so far, only scales them.

    ``n`` workers, ``depth`` ≥ 1; ``k`` at first: an estimate (None: `STEPS_AT_FIRST` for each worker). ``first``: the
    number of the first execution here.
    """

    name = "pct"

    def __init__(self, seed: int, *, n: int, depth: int = DEPTH, k: int | None = None, first: int = 0) -> None:
        self.n, self.depth = max(n, 1), depth
        self.explored = 0
        self._seed = seed
        self._execution = first - 1
        self._estimate = STEPS_AT_FIRST * self.n if k is None else max(k, 1)
        self._longest = 0
        self._turn = 0
        self._random = random.Random()
        self._points: list[float] = []
        self._ranks: dict[str, float] = {}

    @property
    def k(self) -> int:
        """Steps of the longest execution so far, or the estimate before there is one."""
        return self._longest or self._estimate

    @property
    def exhausted(self) -> bool:
        return False

    def bound(self) -> float:
        """A given race of this depth shows in one execution with at least this probability."""
        return 1 / (self.n * math.pow(self.k, self.depth - 1))

    def missed_below(self, executions: int) -> float:
        """A given race of this depth is missed by so many executions with at most this probability."""
        return math.pow(1 - self.bound(), executions)

    def start(self) -> bool:
        self._note_end()
        self._execution += 1
        self._turn = 0
        self._random.seed(f"pct {self._seed} {self._execution}")
        self._points = [self._random.random() for _ in range(self.depth - 1)]
        self._ranks = {}
        return True

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        if not enabled:
            return None
        for choice in enabled:
            self._ranks.setdefault(choice.worker, self._rank_of(choice.worker))
        turn, self._turn = self._turn, self._turn + 1
        chosen = max(enabled, key=lambda c: self._ranks[c.worker])
        for i, point in enumerate(self._points):
            if int(point * self.k) == turn:
                self._ranks[chosen.worker] = -1.0 - i  # below all others, and below who was lowered at an earlier point
                chosen = max(enabled, key=lambda c: self._ranks[c.worker])
        return chosen

    def observe(self, effect: Effect) -> None:
        """What a turn did makes no difference here."""

    def ahead(self) -> int:
        """Until the next point at which priorities change."""
        coming = [turn for point in self._points if (turn := int(point * self.k)) >= self._turn]
        return min(coming) - self._turn if coming else TO_THE_END

    def foresee(self, count: int) -> list[Guide]:
        k = max(self._longest, self._turn) or self._estimate
        coming = range(self._execution + 1, self._execution + 1 + count)
        return [Prioritised(seed=self._seed, n=self.n, depth=self.depth, k=k, execution=i) for i in coming]

    def facts(self) -> Facts:
        """``missed``: `missed_below` for the executions so far, the one in hand included."""
        missed = self.missed_below(self._execution + 1)
        return {"explored": self.explored, "depth": self.depth, "n": self.n, "k": self.k, "missed": missed}

    def _rank_of(self, worker: str) -> float:
        """A random priority, the same whenever the worker is first seen in this execution."""
        return random.Random(f"pct {self._seed} {self._execution} {worker}").random()

    def _note_end(self) -> None:
        if self._turn:
            self.explored += 1
            self._longest = max(self._longest, self._turn)
