"""One fault at one point of one worker; then that worker as far as it still goes, and everybody else in turn."""

from __future__ import annotations

from harness.model import Action, Choice, Effect
from harness.strategies.protocol import Facts


class Alone:
    """One worker alone, to its end. ``steps``: those it took, so every point where a fault can strike it."""

    name = "alone"

    def __init__(self, worker: str) -> None:
        self.worker = worker
        self.steps: list[str] = []
        self._started = False

    @property
    def exhausted(self) -> bool:
        return False

    def start(self) -> bool:
        first, self._started = not self._started, True
        self.steps = []
        return first

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        own = next((c for c in enabled if c.worker == self.worker), None)
        if own is not None:
            self.steps.append(own.step)
        return own

    def observe(self, effect: Effect) -> None:
        """What a turn did makes no difference here."""

    def ahead(self) -> int:
        """Nothing is promised."""
        return 0

    def facts(self) -> Facts:
        return {}


class Faulted:
    """``worker`` takes ``position`` steps alone, ``action`` strikes it, and then whoever comes first in worker order
    and can act goes on to its end. ``turn``: that of the fault, None until it was chosen."""

    name = "faulted"

    def __init__(self, worker: str, position: int, action: Action) -> None:
        self.worker, self.position, self.action = worker, position, action
        self.turn: int | None = None
        self._taken = 0
        self._started = False

    @property
    def exhausted(self) -> bool:
        return False  # one fault says nothing of the others

    def start(self) -> bool:
        first, self._started = not self._started, True
        self.turn, self._taken = None, 0
        return first

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        own = next((c for c in enabled if c.worker == self.worker), None)
        if self.turn is None and own is not None:
            if self._taken < self.position:
                self._taken += 1
                return own
            self.turn = self._taken
            step = own.step if not self.action.strikes else ""
            return Choice(worker=self.worker, step=step, action=self.action)
        return enabled[0] if enabled else None

    def observe(self, effect: Effect) -> None:
        """What a turn did makes no difference here."""

    def ahead(self) -> int:
        """Nothing is promised: a worker that runs on through its gates stands at none of them."""
        return 0

    def facts(self) -> Facts:
        return {}
