"""Every order of the workers' steps, depth first."""

from __future__ import annotations

from harness.errors import NondeterminismError
from harness.model import Choice, Effect


class Exhaustive:
    """Stateless depth-first search: an execution repeats the choices of the last one up to the deepest point that has
    an untried choice, and takes the first choice (the current worker's, where it can go on) from there.

    Blocked workers are not offered, so an order that asks one to act is never tried. The first schedule is the serial
    order of the workers as listed.
    """

    name = "exhaustive"

    def __init__(self) -> None:
        self._path: list[tuple[tuple[Choice, ...], int]] = []
        self._depth = 0
        self._started = False
        self._done = False

    @property
    def exhausted(self) -> bool:
        return self._done

    def start(self) -> bool:
        if self._started:
            while self._path and self._path[-1][1] + 1 == len(self._path[-1][0]):
                self._path.pop()
            if not self._path:
                self._done = True
                return False
            options, index = self._path[-1]
            self._path[-1] = (options, index + 1)
        self._started = True
        self._depth = 0
        return True

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        if self._depth == len(self._path):
            if not enabled:
                return None
            self._path.append((self._current_first(enabled), 0))
        options, index = self._path[self._depth]
        if set(options) != set(enabled):
            raise NondeterminismError(
                f"T{self._depth}: the same choices led to {_list(enabled)} in place of {_list(options)}"
            )
        self._depth += 1
        return options[index]

    def observe(self, effect: Effect) -> None:
        """What a turn did makes no difference here."""

    def _current_first(self, enabled: tuple[Choice, ...]) -> tuple[Choice, ...]:
        if not self._path:
            return enabled
        options, index = self._path[-1]
        current = options[index].worker
        return tuple(sorted(enabled, key=lambda c: c.worker != current))


def _list(choices: tuple[Choice, ...]) -> str:
    return "{" + ", ".join(sorted(map(str, choices))) + "}"
