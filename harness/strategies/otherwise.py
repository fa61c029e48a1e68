"""A schedule up to a turn, another choice there, and then whatever is left, worker by worker."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import NondeterminismError
from harness.model import Action, Choice, Decision, Schedule
from harness.strategies.once import Once
from harness.strategies.protocol import TO_THE_END, arms_among
from harness.strategies.replay import Replay


class Otherwise(Once):
    """Repeats ``before`` exactly, then takes ``instead``. From there on each worker runs to its end: the one at work
    first, the others in their order. A difference on the way is a `NondeterminismError`."""

    name = "otherwise"

    def __init__(self, before: Sequence[Decision], instead: Choice) -> None:
        super().__init__()
        self.arms = arms_among((*(d.choice for d in before), instead))
        self._before = Replay(Schedule(seed=0, decisions=tuple(before)), exact=True)
        self._instead = instead
        self._left = len(before)
        self._last: Choice | None = None

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        if self._left > 0:
            self._left -= 1
            return self._before.choose(enabled)
        if self._last is None:
            if self._instead not in enabled:
                raise NondeterminismError(f"{self._instead} was possible at this turn, and is not now")
            self._last = self._instead
        elif enabled:
            mine = (c for c in enabled if c.worker == self._last.worker and c.action is Action.RUN)
            self._last = next(mine, enabled[0])
        return self._last if enabled else None

    def ahead(self) -> int:
        """What is repeated, and behind the other choice every worker's run to its end."""
        return self._before.ahead() if self._last is None else TO_THE_END
