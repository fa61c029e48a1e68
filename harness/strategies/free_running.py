"""No schedule at all: the workers are released together and run as they like, on functions without gates.

The honest baseline: what a load test would see. It proves nothing, its findings cannot be replayed, and how often it
hits differs from run to run; it is there to be compared with.
"""

from __future__ import annotations

from harness.model import Choice, Effect
from harness.strategies.protocol import Facts

LIMIT = 200
"""Executions where neither scenario nor command line says otherwise."""


class FreeRunning:
    """Counts what it released and, told by `hit`, how many executions violated something."""

    name = "free_running"

    def __init__(self) -> None:
        self.released = self.hits = 0

    @property
    def exhausted(self) -> bool:
        return False

    def start(self) -> bool:
        self.released += 1
        return True

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        """Never asked where executions are released; under control the first that can act."""
        return enabled[0] if enabled else None

    def observe(self, effect: Effect) -> None:
        """Nothing is seen of turns."""

    def hit(self) -> None:
        """The execution in hand violated something."""
        self.hits += 1

    def ahead(self) -> int:
        """Nothing is promised."""
        return 0

    def facts(self) -> Facts:
        return {"explored": self.released, "released": self.released, "hits": self.hits}
