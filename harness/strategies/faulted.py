"""One fault at one point of one worker; then that worker as far as it still goes, and everybody else in turn."""

from __future__ import annotations

from harness.model import Action, Choice
from harness.strategies.once import Once
from harness.strategies.protocol import arms_among


class Alone(Once):
    """One worker alone, to its end. ``steps``: those it took, so every point where a fault can strike it."""

    name = "alone"

    def __init__(self, worker: str) -> None:
        super().__init__()
        self.worker = worker
        self.steps: list[str] = []

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        own = next((c for c in enabled if c.worker == self.worker), None)
        if own is not None:
            self.steps.append(own.step)
        return own


class Faulted(Once):
    """``worker`` takes ``position`` steps alone, ``action`` strikes it, and then whoever comes first in worker order
    and can act goes on to its end. ``turn``: that of the fault, None until it was chosen. A crash of the server may
    also strike when the worker has taken its last step: right behind its last answer.

    Nothing is promised: a worker that runs on through its gates stands at none of them.
    """

    name = "faulted"

    def __init__(self, worker: str, position: int, action: Action) -> None:
        super().__init__()
        self.worker, self.position, self.action = worker, position, action
        self.arms = arms_among([Choice(worker=worker, action=action)])
        self.turn: int | None = None
        self._taken = 0

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        own = next((c for c in enabled if c.worker == self.worker), None)
        if self.turn is None and own is not None:
            if self._taken < self.position:
                self._taken += 1
                return own
            self.turn = self._taken
            return own.struck_by(self.action)
        if self.turn is None and self.action.crashes and self._taken == self.position:
            self.turn = self._taken
            return Choice(worker=self.worker, action=self.action)
        return enabled[0] if enabled else None
