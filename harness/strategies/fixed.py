"""One exact order; what it leaves out runs afterwards, worker by worker."""

from __future__ import annotations

from itertools import takewhile

from harness.model import Action, Choice, Order
from harness.strategies.once import Once
from harness.strategies.protocol import arms_among


class Fixed(Once):
    """Follows ``order`` once. A step that cannot be taken is skipped and remembered in ``impossible``. ``checked``: its
    steps are whole statements and each worker's stand in their order, as in every scenario that was loaded; so it is
    known whose turn it is next, as long as all goes well."""

    name = "fixed"

    def __init__(self, order: Order, *, checked: bool = False) -> None:
        super().__init__()
        self.order, self._checked = order, checked
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

    def ahead(self) -> int:
        """The steps that follow of the same worker."""
        if not self._checked or not 0 < self._next <= len(self.order.steps):
            return 0
        worker = self.order.steps[self._next - 1].choice.worker
        following = (step.choice for step in self.order.steps[self._next :])
        return sum(1 for _ in takewhile(lambda c: c.worker == worker and c.action is Action.RUN, following))
