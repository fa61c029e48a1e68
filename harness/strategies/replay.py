"""A saved schedule, exactly."""

from __future__ import annotations

from harness.errors import NondeterminismError
from harness.model import Action, Choice, Effect, Schedule


class Replay:
    """Repeats ``schedule`` once and compares what is enabled at every step.

    ``exact`` (the SQL is the same): a difference is a `NondeterminismError`. Otherwise the nearest enabled choice
    (same worker and step, else same worker, else the first) is taken and ``adapted`` says so.
    """

    name = "replay"

    def __init__(self, schedule: Schedule, *, exact: bool) -> None:
        self._decisions = schedule.decisions
        self._exact = exact
        self._turn = 0
        self._started = False
        self.adapted = False

    @property
    def exhausted(self) -> bool:
        return False

    def start(self) -> bool:
        first, self._started = not self._started, True
        self._turn = 0
        return first

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        turn, self._turn = self._turn, self._turn + 1
        if turn >= len(self._decisions):
            if self._exact and enabled:
                raise NondeterminismError(f"T{turn}: {enabled[0]} is possible; the saved schedule had ended")
            self.adapted = self.adapted or bool(enabled)
            return enabled[0] if enabled else None
        decision = self._decisions[turn]
        if set(decision.enabled) != set(enabled):
            if self._exact:
                raise NondeterminismError(
                    f"T{turn}: enabled now {', '.join(map(str, enabled)) or 'nothing'}; "
                    f"in the saved schedule {', '.join(map(str, decision.enabled)) or 'nothing'}"
                )
            self.adapted = True
        wanted = decision.choice
        if wanted.action in (Action.KILL, Action.TERM) or any(
            (c.worker, c.step) == (wanted.worker, wanted.step) for c in enabled
        ):
            return wanted
        if not enabled:
            return None
        return min(enabled, key=lambda c: c.worker != wanted.worker)

    def observe(self, effect: Effect) -> None:
        """What a turn did makes no difference here."""
