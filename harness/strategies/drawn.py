"""One execution after a list of numbers that was drawn before it began.

0 goes on with the worker in hand, so a shrinker that makes numbers smaller takes away switches between workers and
nothing else. The list has a fixed length and is drawn up front, whatever will be enabled: were each number drawn when
it is needed, one wait more or less would shift the meaning of all that follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

from harness.model import Choice
from harness.strategies.once import Once
from harness.strategies.protocol import TO_THE_END


class Drawn(Once):
    """Takes number *i* as turn *i*'s choice: 0 the first of those in order, 1 the second, and so on around. In order
    means: the worker in hand, then the others as they are listed. Beyond the end of the list every number is 0.

    ``sequence``: statements ("worker.statement") in the order in which they are to run when nobody interferes. Then a
    worker is in hand only until its statement is over, and "in order" means the order of the sequence.
    """

    name = "draw"

    def __init__(self, numbers: Sequence[int], sequence: Sequence[str] = ()) -> None:
        super().__init__()
        self._numbers = numbers
        self._rank: Mapping[str, int] = {step: i for i, step in enumerate(sequence)}
        self._turn = 0
        self._worker = ""
        self._at: dict[str, int] = {}
        """Per worker the rank of the statement that it is in or comes to next."""

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        if not enabled:
            return None
        number = self._numbers[self._turn] if self._turn < len(self._numbers) else 0
        self._turn += 1
        places = [self._place(c, i) for i, c in enumerate(enabled)]
        in_order = sorted(range(len(enabled)), key=places.__getitem__)
        choice = enabled[in_order[number % len(enabled)]]
        self._worker = choice.worker
        return choice

    def ahead(self) -> int:
        """As many zeros as follow; in a sequence a worker is followed by another one when its statement is over."""
        if self._rank:
            return 0
        following = self._numbers[self._turn :]
        zeros = sum(1 for _ in takewhile(lambda n: n == 0, following))
        return TO_THE_END if zeros == len(following) else zeros

    def _place(self, choice: Choice, index: int) -> tuple[bool, int]:
        """What decides the order: the worker in hand first."""
        if not self._rank:
            return choice.worker != self._worker, index
        begins = self._rank.get(f"{choice.worker}.{choice.step}")
        rank = self._at.setdefault(choice.worker, 0) if begins is None else begins
        self._at[choice.worker] = rank
        return choice.worker != self._worker or begins is not None, rank
