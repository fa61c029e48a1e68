"""A strategy in an execution that was begun anew: what it has chosen already is chosen again."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import NondeterminismError
from harness.model import Choice, Decision, Effect
from harness.strategies.around import Around
from harness.strategies.protocol import Strategy


class Rewound(Around):
    """``inner``, which has been asked for the choices of ``taken`` and been told of every turn but the last, from the
    first turn on: asked again only where it has not chosen yet. What is enabled must be the same as then."""

    def __init__(self, inner: Strategy, taken: Sequence[Decision]) -> None:
        super().__init__(inner)
        self._taken = [(d.choice, d.enabled) for d in taken]
        self._observed = len(taken) - 1
        self._turn = self._seen = 0

    def rewind(self) -> None:
        """The execution is begun anew once more."""
        self._turn = self._seen = 0

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        turn, self._turn = self._turn, self._turn + 1
        if turn < len(self._taken):
            choice, before = self._taken[turn]
            if set(before) != set(enabled):
                raise NondeterminismError(
                    f"T{turn}: begun anew, enabled {', '.join(map(str, enabled)) or 'nothing'}; "
                    f"before that {', '.join(map(str, before)) or 'nothing'}"
                )
            return choice
        chosen = self._inner.choose(enabled)
        if chosen is not None:
            self._taken.append((chosen, enabled))
        return chosen

    def observe(self, effect: Effect) -> None:
        """What has not been told yet."""
        self._seen += 1
        if self._seen > self._observed:
            self._observed = self._seen
            self._inner.observe(effect)

    def ahead(self) -> int:
        """Nothing is promised of what is only repeated."""
        return self._inner.ahead() if self._turn >= len(self._taken) else 0
