"""The way to a branch of the search's tree, and on from there: what a systematic search foresees of an execution."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from harness.dependence import dependent
from harness.model import Action, Choice, Effect
from harness.strategies.once import Once
from harness.strategies.protocol import TO_THE_END, Strategy
from harness.strategies.tree import turn_of
from harness.strategies.walk import current_first


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The first turns are ``turns``; then whoever is going goes on, but for those ``asleep`` behind the last but one of
    them: (turn, the effect that it would have), until somebody's turn depends on that."""

    turns: tuple[str, ...]
    asleep: tuple[tuple[str, Effect], ...] = ()

    @property
    def key(self) -> Hashable:
        return self.turns

    def strategy(self) -> Strategy:
        return _Follow(self)


class _Follow(Once):
    name = "foreseen"

    def __init__(self, route: Route) -> None:
        super().__init__()
        self._turns: Sequence[str] = route.turns
        self._asleep = dict(route.asleep)
        self._depth = 0
        self._current = ""

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        if not enabled:
            return None
        depth, self._depth = self._depth, self._depth + 1
        planned = self._turns[depth] if depth < len(self._turns) else None
        steps = tuple(c for c in enabled if c.action is Action.RUN)
        choice = next((c for c in enabled if turn_of(c) == planned), None)
        if choice is None:
            awake = tuple(c for c in enabled if turn_of(c) not in self._asleep)
            if not awake:
                self._asleep = {}  # it repeats another order: nobody looks at it any closer
            choice = current_first(tuple(c for c in steps if c in awake) or awake or steps, self._current)
        self._current = choice.worker
        return choice

    def observe(self, effect: Effect) -> None:
        if self._depth >= len(self._turns):
            self._asleep = {turn: e for turn, e in self._asleep.items() if not dependent(e, effect)}

    def ahead(self) -> int:
        following = self._turns[self._depth :]
        same = sum(1 for _ in takewhile(lambda worker: worker == self._current, following))
        return same if same < len(following) else TO_THE_END
