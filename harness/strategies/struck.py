"""Another strategy's schedules, in each of which one worker is struck by one fault on its way."""

from __future__ import annotations

from collections.abc import Callable

from harness.model import Action, Choice, Effect
from harness.strategies.protocol import Facts, Strategy


class Struck:
    """``inner`` chooses; ``worker`` is struck by ``action`` in place of its step number ``position`` (from 0), or of
    the first one behind it that is ``strikable`` (by its name). ``turn``: that of the fault, None until it was chosen.

    Where a worker stands when it is its turn the ``position``-th time hangs on everybody else's steps too: so a fault
    strikes in mid-race, and not only a worker that runs alone.
    """

    def __init__(
        self, inner: Strategy, worker: str, position: int, action: Action, strikable: Callable[[str], bool]
    ) -> None:
        self.name = f"{inner.name}, struck"
        self.turn: int | None = None
        self._inner, self._worker, self._position = inner, worker, position
        self._action, self._strikable = action, strikable
        self._turns = self._taken = 0
        self._last = ""

    @property
    def exhausted(self) -> bool:
        return False

    def start(self) -> bool:
        """As ``inner`` does; the fault strikes in the first execution only."""
        return self._inner.start()

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        choice = self._inner.choose(enabled)
        if choice is None:
            return None
        turn, self._turns = self._turns, self._turns + 1
        self._last = choice.worker
        if choice.worker != self._worker or self.turn is not None:
            return choice
        taken, self._taken = self._taken, self._taken + 1
        if taken < self._position or not self._strikable(choice.step):
            return choice
        self.turn = turn
        step = "" if self._action.strikes else choice.step
        return Choice(worker=self._worker, step=step, action=self._action)

    def observe(self, effect: Effect) -> None:
        self._inner.observe(effect)

    def ahead(self) -> int:
        """As ``inner`` promises, but that the worker goes on no further than to where it may be struck."""
        ahead = self._inner.ahead()
        if self._last == self._worker and self.turn is None:
            return min(ahead, max(self._position - self._taken, 0))
        return ahead

    def facts(self) -> Facts:
        return self._inner.facts()
