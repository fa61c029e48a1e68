"""Another strategy's choices, and on the way one worker is struck by one fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from harness.model import Action, Choice, Effect
from harness.strategies.once import Once
from harness.strategies.protocol import Strategy, arms_among


class Struck(Once):
    """One execution of ``inner``, in which ``worker`` is struck by ``action`` in place of its step number ``position``
    (from 0), or of the first one behind it that is ``strikable`` (by its name); or, should it come there sooner, when
    it comes to ``at`` (a step, and for which time, from 1). ``turn``: that of the fault, None until it was chosen.

    Where a worker stands when it is its turn the ``position``-th time hangs on everybody else's steps too: so a fault
    strikes in mid-race, and not only a worker that runs alone.

    ``stretch``: counting begins with the step of the first name, and nothing is struck from that of the second one on
    ("": with its first step, to its end).
    """

    name = "struck"

    def __init__(
        self,
        inner: Strategy,
        worker: str,
        position: int,
        action: Action,
        strikable: Callable[[str], bool],
        stretch: tuple[str, str] = ("", ""),
        at: tuple[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.worker, self.position, self.action = worker, position, action
        self.arms = arms_among([Choice(worker=worker, action=action)])
        self.turn: int | None = None
        self._inner, self._strikable, self._stretch, self._at = inner, strikable, stretch, at
        self._within = not stretch[0]
        self._visits = Counter[str]()
        self._turns = self._taken = 0
        self._last = ""

    def start(self) -> bool:
        return super().start() and self._inner.start()

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        choice = self._inner.choose(enabled)
        if choice is None:
            return None
        turn, self._turns = self._turns, self._turns + 1
        self._last = choice.worker
        if choice.worker != self.worker or self.turn is not None:
            return choice
        if choice.step in self._stretch:
            self._within = choice.step == self._stretch[0]
        if not self._within:
            return choice
        taken, self._taken = self._taken, self._taken + 1
        self._visits[choice.step] += 1
        there = taken >= self.position or (choice.step, self._visits[choice.step]) == self._at
        if not there or not self._strikable(choice.step):
            return choice
        self.turn = turn
        return choice.struck_by(self.action)

    def observe(self, effect: Effect) -> None:
        self._inner.observe(effect)

    def ahead(self) -> int:
        """As ``inner`` promises, but that the worker goes on no further than to where it may be struck."""
        ahead = self._inner.ahead()
        if self._last == self.worker and self.turn is None:
            if self._at is not None or not self._within:
                return 0  # it may come there with its next step
            return min(ahead, max(self.position - self._taken, 0))
        return ahead
