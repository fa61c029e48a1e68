"""Deadlocks of one execution, those too that a function has swallowed."""

from __future__ import annotations

from collections.abc import Sequence

from harness.driver.client import Client, State
from harness.driver.observer import Observer
from harness.driver.recorder import Recorder
from harness.model import EventKind

_FLUSH = "SELECT pg_catalog.pg_stat_force_next_flush()"


class Deadlocks:
    """Notes each deadlock once. ``countable``: the server's count of them is ours alone.

    A cycle of waits lasts one millisecond. When a function then swallows the error and the controller was not quick
    enough to see the cycle, nothing tells but that count, and it is brought up to date only when a session is idle: so
    statements that may have closed a cycle are remembered as suspects, and `settle` asks at the end.
    """

    def __init__(self, observer: Observer, recorder: Recorder, clients: Sequence[Client], *, countable: bool) -> None:
        self._observer, self._recorder, self._clients, self._countable = observer, recorder, clients, countable
        self._known: set[frozenset[int]] = set()
        self._suspects: list[tuple[int, int, Client, list[str]]] = []
        self._victims: list[Client] = []

    def note(self, closer: Client) -> None:
        """The worker ``closer`` has closed a cycle (it may have been told before)."""
        members = self._members(closer)
        key = frozenset(c.backend for c in members)
        self._victims.append(closer)
        if key not in self._known:
            self._known.add(key)
            names = [c.name for c in members]
            self._recorder.note(EventKind.DEADLOCK, closer.name, closer.statement.name, blockers=names)

    def suspect(self, client: Client) -> None:
        """The statement of ``client`` that is over now could have closed a cycle unseen. To be called before its end is
        noted."""
        members = self._members(client)
        if self._countable and len(members) > 1:
            place = len(self._recorder.events), self._recorder.turn
            self._suspects.append((*place, client, [c.name for c in members]))

    def settle(self) -> None:
        """When every session is idle: note the deadlock that was swallowed unseen, if there was one."""
        involved = [*self._victims, *(client for _, _, client, _ in self._suspects)]
        if not self._countable or not involved:
            return
        for client in dict.fromkeys(involved):
            if client.process.backend == client.backend:
                client.process.ask({"do": "run", "sql": _FLUSH})
        if self._observer.new_deadlocks() and not self._known:
            index, turn, client, names = self._suspects[0]
            self._recorder.insert(index, turn, EventKind.DEADLOCK, client.name, blockers=names)

    def _members(self, closer: Client) -> list[Client]:
        """``closer`` and whoever waits for it, through others too: from the waits seen before, not from a look at the
        cycle, since the server may have broken that by now, and the history must not depend on who was faster."""
        members = {closer.backend}
        blocked = [c for c in self._clients if c.state is State.BLOCKED]
        while found := {c.backend for c in blocked if members & set(c.waits_for)} - members:
            members |= found
        return [closer, *(c for c in blocked if c.backend in members)]
