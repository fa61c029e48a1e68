"""Effects by number: each kept once, and whether two of them depend on each other asked once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness.dependence import WAIT, union
from harness.model import Effect, Footprint

Dependent = Callable[[Effect, Effect], bool]

UNKNOWN = 0
"""The number of the effect that nobody has observed: it depends on every other."""


class Effects:
    """Effects and the relation ``dependent`` between them, by numbers that are given in order of appearance."""

    def __init__(self, dependent: Dependent) -> None:
        self._dependent = dependent
        self._numbers: dict[Effect, int] = {}
        self._effects: list[Effect] = [Effect(workers=frozenset(), footprint=Footprint(everything=True))]
        self._answers: dict[tuple[int, int], bool] = {}

    def number(self, effect: Effect) -> int:
        known = self._numbers.get(effect)
        if known is None:
            known = self._numbers[effect] = len(self._effects)
            self._effects.append(effect)
        return known

    def __getitem__(self, number: int) -> Effect:
        return self._effects[number]

    def dependent(self, a: int, b: int) -> bool:
        answer = self._answers.get((a, b))
        if answer is None:
            answer = UNKNOWN in (a, b) or self._dependent(self._effects[a], self._effects[b])
            self._answers[a, b] = self._answers[b, a] = answer
        return answer

    def independent_of_all(self, a: int, others: Iterable[int]) -> bool:
        return not any(self.dependent(a, b) for b in others)

    def workers(self, number: int) -> frozenset[str]:
        """Who moved; nobody, where it is unknown."""
        return self._effects[number].workers

    def union(self, a: int, b: int) -> int:
        """The number of an effect that depends on all that one of the two depends on."""
        if a == b:
            return a
        return UNKNOWN if UNKNOWN in (a, b) else self.number(union(self._effects[a], self._effects[b]))

    def waiting(self, number: int) -> int:
        """The same effect, of a turn in which somebody began to wait."""
        wait = Effect(workers=frozenset(), footprint=Footprint(writes=frozenset({WAIT})))
        return UNKNOWN if number == UNKNOWN else self.number(union(self._effects[number], wait))
