"""The default: serial orders, then the search by classes of equivalent orders, then random priorities.

1. *Serial*: every order of whole workers (all n! up to 4 workers, beyond that each worker once as the first). What is
   broken even there is no race, and the report says so.
2. *Exhaustive*: the best-first search of `exhaustive`, whose tree the serial executions are already part of, until it
   is exhausted or has used three quarters of what the limit leaves.
3. *Pct*, only where that did not finish: a limit that cuts off a search in order leaves everything beyond it untouched
   (bugs that need many switches); random priorities reach there, with a probability that can be stated.

Why not bound 1, then bound 2, then exhaustive, one after the other: the best-first search comes through orders with
one preemptive switch, with two, and so on, in that order already; it executes one of each class of equivalent orders
where bounded search executes them all, and it never executes anything twice, while three searches in turn would begin
again from nothing. What it learns with one switch (which steps conflict) is what it needs for the second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

from harness.model import Choice, Effect
from harness.strategies.exhaustive import Exhaustive
from harness.strategies.foreseen import Guide
from harness.strategies.pct import Pct
from harness.strategies.protocol import Facts
from harness.strategies.walk import Policy

ALL_ORDERS = 4
"""Up to so many workers every serial order is executed."""


class Auto:
    """``limit``: executions that there will be at most. ``phase``: of the execution in hand, "serial", "exhaustive" or
    "pct". ``exhausted``: phase 2 has come to its end."""

    name = "auto"

    def __init__(self, seed: int, *, limit: int, workers: Sequence[str]) -> None:
        self.phase = "serial"
        self._seed, self._limit, self._workers = seed, limit, workers
        self._orders = _serial_orders(workers)
        self._search = Exhaustive()
        self._pct: Pct | None = None
        self._started = 0
        self._turns = self._longest = 0
        self._share = 0
        self._chooser: Exhaustive | Pct = self._search

    @property
    def exhausted(self) -> bool:
        return self._search.exhausted

    @property
    def explored(self) -> int:
        return self._search.explored + (self._pct.explored if self._pct is not None else 0)

    @property
    def pruned(self) -> int:
        return self._search.pruned

    def start(self) -> bool:
        self._longest, self._turns = max(self._longest, self._turns), 0
        begun = self._start_next()
        self._started += begun
        return begun

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        self._turns += bool(enabled)
        return self._chooser.choose(enabled)

    def observe(self, effect: Effect) -> None:
        self._chooser.observe(effect)

    def ahead(self) -> int:
        return self._chooser.ahead()

    def foresee(self, count: int) -> list[Guide]:
        """Nothing of the serial orders: they are few."""
        if self._pct is not None:
            return self._pct.foresee(count)
        if self.phase == "serial" or self._search.exhausted:
            return []
        return self._search.foresee(min(count, max(self._share - self._started, 0)))

    def facts(self) -> Facts:
        """Those of `exhaustive`, whether the execution in hand is serial, and those of `pct` once it has begun."""
        figures = dict(self._search.facts())
        if self._pct is not None:
            figures |= self._pct.facts()
        return figures | {"explored": self.explored, "serial": self.phase == "serial"}

    def _start_next(self) -> bool:
        if self.phase == "serial":
            order = next(self._orders, None)
            if order is not None:
                self._search.start_with(_in_order(order))
                return True
            self.phase = "exhaustive"
            self._share = self._started + (self._limit - self._started) * 3 // 4
        # Beyond its share the search may still find out that it has finished.
        if self.phase == "exhaustive" and (self._started < self._share or not self._search.more()):
            return self._search.start()
        if self._pct is None:
            self.phase = "pct"
            self._chooser = self._pct = Pct(self._seed, n=len(self._workers), k=self._longest)
        return self._pct.start()


def _serial_orders(workers: Sequence[str]) -> Iterator[tuple[str, ...]]:
    if len(workers) <= ALL_ORDERS:
        yield from permutations(workers)
    else:
        yield from ((*workers[i:], *workers[:i]) for i in range(len(workers)))


def _in_order(order: Sequence[str]) -> Policy:
    """The worker that comes first in ``order``, of those that can act."""
    rank = {worker: i for i, worker in enumerate(order)}

    def first(enabled: tuple[Choice, ...], _current: str) -> Choice:
        return min(enabled, key=lambda c: rank.get(c.worker, len(rank)))

    return first
