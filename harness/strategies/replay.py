"""A saved schedule, exactly; or, after the SQL was changed, as nearly as it still can be followed."""

from __future__ import annotations

from itertools import takewhile

from harness.errors import NondeterminismError
from harness.model import Action, Choice, Schedule, site_of
from harness.strategies.once import Once
from harness.strategies.protocol import arms_among

EXTRA_TURNS = 1000
"""New points that an adapted replay lets workers pass on their way to the saved ones, in all."""


class Replay(Once):
    """Repeats ``schedule`` once and compares what is enabled at every step.

    ``exact`` (the SQL is the same): a difference is a `NondeterminismError`. Otherwise it follows the saved choices by
    the names of steps. Where the wanted worker stands at another step than the saved one:

    - at one that the saved schedule does not know: it walks on until it reaches the wanted one; but another line of the
      wanted line's function stands in for it, unless it is nearer to a line before that (an edit moves lines);
    - at one that is itself wanted later: the saved step is gone, and is left out;
    - else whatever it can do stands in.

    Choices of workers that wait or have ended are left out. What is left at the end runs worker by worker. ``adapted``
    says that anything of the kind was necessary.
    """

    name = "replay"

    def __init__(self, schedule: Schedule, *, exact: bool) -> None:
        super().__init__()
        self.arms = arms_among(d.choice for d in schedule.decisions)
        self._decisions = schedule.decisions
        self._exact = exact
        self._turn = 0
        self._extra = EXTRA_TURNS
        self._known = {(c.worker, c.step) for d in schedule.decisions for c in (d.choice, *d.enabled)}
        self.adapted = False

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        return self._same(enabled) if self._exact else self._nearest(enabled)

    def ahead(self) -> int:
        """What was saved, when it is followed exactly."""
        if not self._exact or not 0 < self._turn <= len(self._decisions):
            return 0
        worker = self._decisions[self._turn - 1].choice.worker
        following = self._decisions[self._turn :]
        same = takewhile(lambda d: d.choice.worker == worker and d.choice.action is Action.RUN, following)
        return sum(1 for _ in same)

    # ------------------------------------------------------------------------------------------------ internals

    def _same(self, enabled: tuple[Choice, ...]) -> Choice | None:
        turn, self._turn = self._turn, self._turn + 1
        if turn >= len(self._decisions):
            if enabled:
                raise NondeterminismError(f"T{turn}: {enabled[0]} is possible; the saved schedule had ended")
            return None
        decision = self._decisions[turn]
        if set(decision.enabled) != set(enabled):
            raise NondeterminismError(
                f"T{turn}: enabled now {', '.join(map(str, enabled)) or 'nothing'}; "
                f"in the saved schedule {', '.join(map(str, decision.enabled)) or 'nothing'}"
            )
        return decision.choice

    def _nearest(self, enabled: tuple[Choice, ...]) -> Choice | None:
        while self._turn < len(self._decisions):
            decision = self._decisions[self._turn]
            wanted = decision.choice
            self.adapted = self.adapted or set(decision.enabled) != set(enabled)
            if wanted.action.strikes:
                self._turn += 1
                return wanted
            own = next((c for c in enabled if c.worker == wanted.worker), None)
            if own is not None and own.step == wanted.step:
                self._turn += 1
                return wanted
            self.adapted = True
            if own is not None and self._extra > 0 and self._comes_before(own, wanted):
                self._extra -= 1
                return own  # and the saved choice is still to come
            self._turn += 1
            if own is not None and not self._is_wanted_later(own):
                return own
        self.adapted = self.adapted or bool(enabled)
        return enabled[0] if enabled else None

    def _comes_before(self, own: Choice, wanted: Choice) -> bool:
        """Whether the step is new, and the wanted one is still to be expected behind it."""
        if (own.worker, own.step) in self._known:
            return False
        here, there = site_of(own.step), site_of(wanted.step)
        if here is None or there is None or here[0] != there[0]:
            return True
        lines = {
            site[1] for w, step in self._known if w == own.worker and (site := site_of(step)) and site[0] == here[0]
        }
        nearest = min(lines, key=lambda line: (abs(line - here[1]), line != there[1], line))
        return nearest < there[1]

    def _is_wanted_later(self, own: Choice) -> bool:
        return any((d.choice.worker, d.choice.step) == (own.worker, own.step) for d in self._decisions[self._turn :])
