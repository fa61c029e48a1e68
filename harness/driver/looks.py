"""When to ask the server for the first time whether a silent worker waits: a question costs as much as a short step."""

from __future__ import annotations

from collections.abc import Sequence

from harness.driver.client import Client
from harness.driver.effects import Effects

FIRST_LOOK_S = 0.0005
"""A statement that may wait for another worker, and has been silent for so long: ask."""
SOON_S = 0.0002
"""The same of one that did wait the last time, when the others stood where they stand now; and of one that has just
been set free, which may wait for the next one already."""
LAST_LOOK_S = 0.02
"""The longest pause between two looks; and before the first, where nothing that is known speaks for a wait."""

_MOST = 10_000
"""Situations to remember: more than a search has that comes to an end."""

_Situation = tuple[str, str, tuple[tuple[str, str], ...]]


class Looks:
    """What was learned of waits, over many executions. It moves only the moment of a look: what a look shows, and so
    the history, is the same sooner or later."""

    def __init__(self) -> None:
        self._waited: set[_Situation] = set()

    def first(self, client: Client, others: Sequence[Client], effects: Effects) -> float:
        """Seconds to wait for an answer of ``client``, whose step has begun, before the first look. ``others``: those
        that may hold something."""
        if not effects.may_wait(client, others):
            return LAST_LOOK_S
        return SOON_S if _situation(client, others) in self._waited else FIRST_LOOK_S

    def learn(self, client: Client, others: Sequence[Client]) -> None:
        """The step that ``client`` is in has begun to wait."""
        if len(self._waited) < _MOST:
            self._waited.add(_situation(client, others))


def _situation(client: Client, others: Sequence[Client]) -> _Situation:
    return client.name, client.step, tuple((c.name, "" if c.over else c.step) for c in others)
