"""The workers one after the other, each to its end: the orders that every concurrent outcome is compared with."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model import Choice
from harness.strategies.once import Once
from harness.strategies.protocol import TO_THE_END


class Serial(Once):
    """Runs the workers in the given order, once."""

    name = "serial"

    def __init__(self, order: Sequence[str]) -> None:
        super().__init__()
        self._rank = {worker: i for i, worker in enumerate(order)}

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        return min(enabled, key=lambda c: self._rank[c.worker]) if enabled else None

    def ahead(self) -> int:
        """Every worker runs to its end."""
        return TO_THE_END
