"""Who has begun to wait, who was set free, and who closed a cycle: what the lock table shows, as events."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence

from harness.driver.client import Client, State
from harness.driver.deadlocks import Deadlocks
from harness.driver.doors import Doors
from harness.driver.effects import Effects
from harness.driver.locks import Locks, closes_a_cycle
from harness.driver.observer import Observer
from harness.driver.recorder import Recorder
from harness.model import EventKind

ORPHAN_BOUND_S = 30.0
"""How long the backend of a dead worker may take to end once nothing holds it up."""


class Waiting:
    """Changes the state of ``clients`` as they begin and cease to wait. ``committed`` is called when the ledger may
    have changed by it. ``held``: workers are held inside their statements, so that it is known what a turn touches."""

    def __init__(
        self,
        clients: Sequence[Client],
        observer: Observer,
        locks: Locks,
        recorder: Recorder,
        effects: Effects,
        deadlocks: Deadlocks,
        doors: Doors,
        committed: Callable[[], None],
        *,
        held: bool,
    ) -> None:
        self._clients, self._observer, self._locks, self._recorder = clients, observer, locks, recorder
        self._effects, self._deadlocks, self._doors = effects, deadlocks, doors
        self._committed, self._held = committed, held

    def look(self, running: Sequence[Client]) -> None:
        """Note which of these workers wait for another one, or have closed a cycle."""
        waits = self._locks.waits()
        for client in running:
            blockers = waits[client.backend]
            if not blockers or client.state is not State.RUNNING or not self._doors.caught_up(client):
                continue
            if closes_a_cycle(client.backend, waits):
                waits = self._locks.waits()  # it was looked at last, and may have let go of something before it waited
                blockers = waits[client.backend]
                if not blockers or closes_a_cycle(client.backend, waits):
                    self.note_deadlock(client)  # the server will end it with 40P01: keep waiting for that
                    continue
            self._block(client, blockers)

    def _block(self, client: Client, blockers: tuple[int, ...]) -> None:
        # Between two waits for the same workers (first for a place in the queue, then for the row) one may or may not
        # be seen running: that is no event.
        if not client.woken or not set(blockers) <= set(client.waits_for):
            self.note_woken(client)
            names = self._locks.names(blockers)
            self._effects.waits()
            self._recorder.note(EventKind.BLOCKED, client.name, client.statement.name, blockers=names)
        self._doors.shut(client)
        client.state, client.woken = State.BLOCKED, False
        client.waits_for, client.blocked_since, client.checked = blockers, time.monotonic(), False

    def note_woken(self, client: Client) -> None:
        """It has moved on, if that was not known yet."""
        if client.woken:
            client.woken = False
            self._effects.woken(client)
            self._recorder.note(EventKind.WOKEN, client.name, client.statement.name)

    def wake(self, frozen: Sequence[Client]) -> bool:
        """Whether a blocked worker (or the backend of a dead one) has been set free, or waits for others than before
        (as it must have run for that): it then counts as running."""
        blocked = [c for c in self._clients if c.state is State.BLOCKED and c not in frozen]
        orphans = [c for c in self._locks.orphans if c not in frozen]
        if not blocked and not orphans:
            return False
        if self._kept(blocked) and not orphans:
            return False
        waits = self._locks.waits()
        for client in (*blocked, *orphans):
            client.checked = False  # it may wait for another lock by now, of the same worker
        for client in orphans:
            if not waits[client.backend] and self._observer.await_end(client.backend, bound_s=ORPHAN_BOUND_S):
                self._locks.orphans.remove(client)
                self._committed()
                self._recorder.note(EventKind.END, client.name, message="its backend ran on and has ended")
                return True
        for client in sorted(blocked, key=lambda c: c.asked):  # one at a time, who asked first
            now = waits[client.backend]
            if not now or not set(now) <= set(client.waits_for) or closes_a_cycle(client.backend, waits):
                client.wake()
                return True
        return False

    def _kept(self, blocked: Sequence[Client]) -> bool:
        """Whether it is certain that nobody was set free in this turn: no transaction, nor part of one, has ended, and
        no wait was given up (which its worker would have told)."""
        turn = self._effects.turn()
        if not self._held or turn.ended or turn.ended_everything or any(c.woken for c in self._clients):
            return False
        wires = [c.process.wire for c in blocked]
        return not any(c.process.pending for c in blocked) and not select.select(wires, [], [], 0)[0]

    def note_deadlock(self, closer: Client) -> None:
        self.note_woken(closer)
        self._effects.waits()
        if not closer.deadlocked:
            closer.deadlocked = True
            self._deadlocks.note(closer)
