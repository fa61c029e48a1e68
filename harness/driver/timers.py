"""Timeouts that are to strike one statement at one point: set before it is sent, and never to fire before that.

A server counts a timeout from when a statement comes in, and nothing that happens later makes it shorter. So whoever is
to be struck inside a statement must have been prepared for it, when nobody knows yet that it will be; and on a busy
machine the time may be up before the point is reached. In both cases the execution is begun anew with the same choices
(`RewindError`): with a timer for that statement, or with longer timers. What is kept has no timeout in it that came too
soon, however slow the machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from harness.driver.client import Client
from harness.errors import DriverError
from harness.model import Action, Decision

FIRST_MS = 20
"""How long timers are, where nothing has shown yet that they must be longer."""
LAST_MS = 60_000
"""They are never longer than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """The statement number ``position`` of ``worker`` has a timeout. ``action``: which."""

    worker: str
    position: int
    action: Action


class RewindError(DriverError):
    """The execution must be begun anew, with the same choices: with ``timer`` as well, or (None) with longer timers.
    ``taken``: its decisions so far, the one in hand included."""

    def __init__(self, message: str, timer: Timer | None = None) -> None:
        super().__init__(message)
        self.timer = timer
        self.taken: tuple[Decision, ...] = ()


class Timers:
    """The timers of one execution, each of ``ms`` milliseconds."""

    def __init__(self, timers: Iterable[Timer], ms: int) -> None:
        self._actions = {(t.worker, t.position): t.action for t in timers}
        self._length_s = ms / 1000
        self._since: dict[Client, tuple[int, float]] = {}
        """Statements under way that have a timer: the position, and the clock reading (seconds) before which that
        cannot have begun to run."""
        self.ms = ms

    def of(self, client: Client) -> Action | None:
        """The timeout with which the next statement of a worker is to be sent, which happens now."""
        action = self._actions.get((client.name, client.position))
        if action is not None:
            self._since[client] = client.position, time.monotonic()
        return action

    def set(self, client: Client, action: Action) -> None:
        """The statement that a worker sends next is to have a timer."""
        self._actions[client.name, client.position] = action

    def require(self, client: Client, action: Action) -> None:
        """Raises `RewindError` unless the statement under way has this timer, and that certainly has not fired."""
        known = self._actions.get((client.name, client.position))
        if known is None:
            timer = Timer(worker=client.name, position=client.position, action=action)
            raise RewindError(f"{client.choice}: sent without {action.value}", timer)
        if known is not action:
            raise DriverError(f"{client.choice}: one statement cannot have both {known.value} and {action.value}")
        self.check()

    def struck(self, client: Client) -> None:
        """The timer of a worker's statement has fired, and was to. That of a statement fires once; that of locks runs
        again with the next one that the statement waits for."""
        position, _ = self._since.pop(client)
        if self._actions[client.name, position] is Action.LOCK_TIMEOUT:
            self._since[client] = position, time.monotonic()

    def check(self) -> None:
        """To be called after every turn. Raises `RewindError` when a timer may have fired that was not to."""
        now = time.monotonic()
        for client, (position, since) in list(self._since.items()):
            if now - since >= self._length_s:
                raise RewindError(f"{client.choice}: it may have come to its timeout of {self.ms} ms too soon")
            if client.over or client.position != position:
                del self._since[client]
