"""What a strategy foresees of its next executions, small enough to be sent to another process.

A guide chooses as the strategy most likely will. Whoever executes by it ahead of time asks the strategy for every
choice all the same, once it is that execution's turn: a wrong guess costs time and changes nothing.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol, runtime_checkable

from harness.strategies.protocol import Strategy


class Guide(Protocol):
    """How one execution will go. Can be pickled. ``key``: guides of one campaign that have the same are the same."""

    @property
    def key(self) -> Hashable: ...

    def strategy(self) -> Strategy:
        """A fresh strategy that chooses so, for one execution."""
        ...


@runtime_checkable
class Foreseeing(Protocol):
    """A strategy that can say what comes."""

    def foresee(self, count: int) -> list[Guide]:
        """Its next executions, ``count`` at most, in order, as far as it knows. To be asked between executions; changes
        nothing that it will choose."""
        ...
