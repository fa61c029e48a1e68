"""Search strategies by the names that scenarios and the command line use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from harness.strategies.auto import Auto
from harness.strategies.draw import Draw
from harness.strategies.exhaustive import Exhaustive
from harness.strategies.pct import Pct
from harness.strategies.preemption_bounded import PreemptionBounded
from harness.strategies.protocol import Strategy
from harness.strategies.random_walk import RandomWalk

DEFAULT_LIMITS: Mapping[str, int] = MappingProxyType(
    {"auto": 2000, "exhaustive": 5000, "preemption_bounded": 2000, "pct": 1000, "random_walk": 100, "draw": 200}
)
"""Executions per strategy where neither scenario nor command line says otherwise: counts, so that a result does not
depend on how fast the machine is."""

NAMES: tuple[str, ...] = tuple(DEFAULT_LIMITS)


def make(name: str, *, seed: int, limit: int, workers: Sequence[str]) -> Strategy:
    """A fresh strategy. ``limit``: executions that it will be given at most; ``workers``: names, in the scenario's
    order. Raises `KeyError` for a name that is not among `NAMES`."""
    match name:
        case "auto":
            return Auto(seed, limit=limit, workers=workers)
        case "exhaustive":
            return Exhaustive()
        case "preemption_bounded":
            return PreemptionBounded()
        case "pct":
            return Pct(seed, n=len(workers))
        case "random_walk":
            return RandomWalk(seed)
        case "draw":
            return Draw(seed, limit=limit, workers=workers)
        case _:
            raise KeyError(name)
