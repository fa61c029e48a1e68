"""The workers one after the other, each to its end: the orders that every concurrent outcome is compared with."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model import Choice, Effect
from harness.strategies.protocol import TO_THE_END, Facts


class Serial:
    """Runs the workers in the given order, once."""

    name = "serial"

    def __init__(self, order: Sequence[str]) -> None:
        self._rank = {worker: i for i, worker in enumerate(order)}
        self._started = False

    @property
    def exhausted(self) -> bool:
        return False

    def start(self) -> bool:
        first, self._started = not self._started, True
        return first

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        return min(enabled, key=lambda c: self._rank[c.worker]) if enabled else None

    def observe(self, effect: Effect) -> None:
        """What a turn did makes no difference here."""

    def ahead(self) -> int:
        """Every worker runs to its end."""
        return TO_THE_END

    def facts(self) -> Facts:
        return {}
