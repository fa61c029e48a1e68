"""Every schedule without a preemptive switch, then those with one, then with two: most races need no more.

A switch is preemptive when it leaves a worker that could go on (Musuvathi, Qadeer: "Iterative context bounding for
systematic testing of multithreaded programs", PLDI 2007).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import takewhile

from harness.errors import NondeterminismError
from harness.model import Choice, Effect
from harness.strategies.foreseen import Guide
from harness.strategies.protocol import TO_THE_END, Facts
from harness.strategies.route import Route

MOST = 2
"""Preemptive switches, unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """The way to a point: ``choice`` out of ``enabled`` as the last turn, after ``before``."""

    before: _Turn | None
    enabled: tuple[Choice, ...]
    choice: Choice

    @property
    def workers(self) -> tuple[str, ...]:
        """Whose the turns on the way are."""
        found = []
        at: _Turn | None = self
        while at is not None:
            found.append(at.choice.worker)
            at = at.before
        return tuple(reversed(found))


class PreemptionBounded:
    """No reduction, no schedule twice. ``most``: the largest number of preemptive switches.

    ``exhausted``: its schedules have been executed and there are no others, with more switches than that.
    """

    name = "preemption_bounded"

    def __init__(self, *, most: int = MOST) -> None:
        self.explored = 0
        self._most = most
        self._waiting: list[tuple[int, int, _Turn]] = []
        self._found = 0
        self._beyond = self._started = self._done = False
        self._plan: list[_Turn] = []
        self._last: _Turn | None = None
        self._turn = 0
        self._switches = 0

    @property
    def exhausted(self) -> bool:
        return self._done and not self._beyond

    def start(self) -> bool:
        self.explored += self._started and not self._done
        if self._started and not self._waiting:
            self._done = True
            return False
        self._plan, self._last, self._turn, self._switches = [], None, 0, 0
        if self._started:
            self._switches, _, turn = heapq.heappop(self._waiting)
            at: _Turn | None = turn
            while at is not None:
                self._plan.append(at)
                at = at.before
            self._plan.reverse()
        self._started = True
        return True

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        turn, self._turn = self._turn, self._turn + 1
        if turn < len(self._plan):
            self._last = self._plan[turn]
            if set(self._last.enabled) != set(enabled):
                raise NondeterminismError(
                    f"T{turn}: the same choices led to {_list(enabled)} in place of {_list(self._last.enabled)}"
                )
            return self._last.choice
        if not enabled:
            return None
        before, current = self._last, self._last.choice.worker if self._last is not None else ""
        goes_on = next((c for c in enabled if c.worker == current), None)
        taken = goes_on or enabled[0]
        for choice in enabled:
            if choice != taken:
                self._wait(_Turn(before=before, enabled=enabled, choice=choice), preempts=goes_on is not None)
        self._last = _Turn(before=before, enabled=enabled, choice=taken)
        return taken

    def observe(self, effect: Effect) -> None:
        """What a turn did makes no difference here."""

    def ahead(self) -> int:
        """As planned; beyond the plan a worker runs to its end."""
        worker = self._last.choice.worker if self._last is not None else ""
        following = [turn.choice.worker for turn in self._plan[self._turn :]]
        same = sum(1 for _ in takewhile(lambda other: other == worker, following))
        return same if same < len(following) else TO_THE_END

    def foresee(self, count: int) -> list[Guide]:
        return [Route(turns=turn.workers) for _, _, turn in heapq.nsmallest(count, self._waiting)]

    def facts(self) -> Facts:
        """``bound``: all schedules with so many preemptive switches have been executed (-1: not even those without)."""
        bound = self._most if self._done else self._switches - 1  # the list is in order
        return {"explored": self.explored, "waiting": len(self._waiting), "bound": bound}

    def _wait(self, turn: _Turn, *, preempts: bool) -> None:
        switches = self._switches + preempts
        if switches > self._most:
            self._beyond = True
            return
        self._found += 1
        heapq.heappush(self._waiting, (switches, self._found, turn))


def _list(choices: tuple[Choice, ...]) -> str:
    return "{" + ", ".join(sorted(map(str, choices))) + "}"
