"""What a strategy is: it chooses, the execution obeys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from harness.model import Action, Choice, Effect

Facts = Mapping[str, float]
"""What a strategy says of itself, for reports. Read where present: ``explored``: executions that have ended;
``pruned``: those of them that turned out to repeat an earlier one in another order; ``serial``: 1 while the execution
in hand is one of the serial orders, else 0; ``bound``: every schedule with at most so many preemptive switches has
been executed; ``depth``, ``n``, ``k``, ``missed``: see `pct`; ``switches``, ``waiting``: see `exhaustive`."""


TO_THE_END = 100_000
"""More turns than any execution has: what `Strategy.ahead` says of a worker that runs to its end."""


class Strategy(Protocol):
    """Decides the schedules of a campaign, one execution after the other.

    ``name`` is what reports say. ``exhausted``: every schedule has been executed, or one that is equivalent to it.
    """

    name: str

    @property
    def exhausted(self) -> bool: ...

    def start(self) -> bool:
        """Begin the next execution; False when there is nothing left to execute."""
        ...

    def choose(self, enabled: tuple[Choice, ...]) -> Choice | None:
        """The next choice. ``enabled``: the next step of every worker that can act, in worker order, and behind
        them the end of every black hole; never empty but when only a fault could still be chosen. None ends the
        execution's choices early."""
        ...

    def observe(self, effect: Effect) -> None:
        """What the turn that was chosen last has done. Called once after every turn."""
        ...

    def ahead(self) -> int:
        """A promise: so many of the next turns go to the worker chosen last, as long as it can act and nobody waits. It
        may then run on through its gates without stopping at each of them."""
        ...

    def facts(self) -> Facts:
        """Figures for reports, as they are now."""
        ...


def arms_of(strategy: Strategy) -> Mapping[str, Action]:
    """Workers that a strategy is going to strike by a timeout, as far as it says so beforehand (by an attribute
    ``arms``). It need not: but then an execution is begun anew when it turns out."""
    arms: Mapping[str, Action] = getattr(strategy, "arms", {})
    return arms


def arms_among(choices: Iterable[Choice]) -> Mapping[str, Action]:
    """The same of choices that are known beforehand; of several for one worker the first."""
    found: dict[str, Action] = {}
    for choice in choices:
        if choice.action.times_out:
            found.setdefault(choice.worker, choice.action)
    return found
