"""One exact order; what it leaves out runs afterwards, worker by worker."""

from __future__ import annotations

from harness.model import Choice, Order
from harness.strategies.once import Once
from harness.strategies.protocol import arms_among


class Fixed(Once):
    """Follows ``order`` once. A step that cannot be taken is skipped and remembered in ``impossible``."""

    name = "fixed"

    def __init__(self, order: Order) -> None:
        super().__init__()
        self.order = order
        self.arms = arms_among(step.choice for step in order.steps)
        self.impossible: list[tuple[int, Choice]] = []
        """Steps (index in the order, choice) that the worker could not take: it had ended, or was blocked."""
        self._next = 0

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        while self._next < len(self.order.steps):
            choice = self.order.steps[self._next].choice
            self._next += 1
            if choice.action.strikes:
                return choice
            if any((c.worker, c.step) == (choice.worker, choice.step) for c in enabled):
                return choice
            self.impossible.append((self._next - 1, choice))
        return enabled[0] if enabled else None
