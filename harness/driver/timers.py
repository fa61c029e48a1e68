"""Timeouts that are to strike one statement at one point: set before it is sent, and never to fire before that.

A server counts a timeout from when a statement comes in, and nothing that happens later makes it shorter. So whoever is
to be struck inside a statement must have been prepared for it, and not every strategy knows beforehand who that is; and
on a busy machine the time may be up before the point is reached. In both cases the execution is begun anew with the
same choices (`RewindError`): with a timer for that statement, or with longer timers. What is kept has no timeout in it
that came too soon, however slow the machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from harness.driver.client import Client, State
from harness.errors import DriverError, UsageError
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


@dataclass(frozen=True, slots=True)
class _Running:
    """A statement under way that has a timer. ``since``: the clock reading (seconds) before which that cannot have
    begun to run."""

    position: int
    action: Action
    since: float


class Timers:
    """The timers of one execution, each of ``ms`` milliseconds."""

    def __init__(self, timers: Iterable[Timer], ms: int) -> None:
        self._actions = {(t.worker, t.position): t.action for t in timers}
        self._foreseen: dict[str, Action] = {}
        self._running: dict[Client, _Running] = {}
        self.ms = ms

    def foresee(self, arms: Mapping[str, Action]) -> None:
        """These workers are going to be struck, by that: until then each of their statements has a timer."""
        self._foreseen |= arms

    def strikes(self, client: Client) -> None:
        """What was foreseen for a worker happens now; or finds nothing to strike."""
        self._foreseen.pop(client.name, None)

    def set(self, client: Client, action: Action) -> None:
        """The statement that a worker sends next is to have a timer."""
        self._actions[client.name, client.position] = action

    def of(self, client: Client) -> Action | None:
        """The timeout with which the next statement of a worker is to be sent, which happens now."""
        action = self._actions.get((client.name, client.position))
        if action is None and client.statement.may_wait:
            action = self._foreseen.get(client.name)
        if action is not None:
            self._running[client] = _Running(client.position, action, time.monotonic())
        return action

    def require(self, client: Client, action: Action) -> None:
        """Raises `RewindError` unless the statement under way has this timer, and that certainly has not fired;
        `UsageError` when it is to have another one."""
        running = self._running.get(client)
        if running is None or (running.position, running.action) != (client.position, action):
            other = self._actions.get((client.name, client.position))
            if other is not None:
                raise UsageError(f"{client.choice}: a statement has only one timeout, and this one's is {other.value}")
            timer = Timer(worker=client.name, position=client.position, action=action)
            raise RewindError(f"{client.choice}: it was sent without {action.value}", timer)
        self.check()

    def struck(self, client: Client) -> None:
        """The timer of a worker's statement has fired, and was to. That of a statement fires once; that of locks runs
        again with the next one that the statement waits for."""
        was = self._running.pop(client)
        if was.action is Action.LOCK_TIMEOUT:
            self._running[client] = _Running(was.position, was.action, time.monotonic())

    def ineffective(self, client: Client) -> None:
        """Whatever a worker's statement waits for, it is not limited by its timer."""
        del self._running[client]

    def check(self) -> None:
        """To be called after every turn. Raises `RewindError` when a timer may have fired that was not to."""
        if not self._running:
            return
        now = time.monotonic()
        for client, timer in list(self._running.items()):
            if now - timer.since >= self.ms / 1000:
                raise RewindError(f"{client.name} may have come to its timeout of {self.ms} ms too soon")
            if client.over or client.position != timer.position:
                del self._running[client]
            elif timer.action is Action.LOCK_TIMEOUT and client.state is State.PARKED:
                self._running[client] = replace(timer, since=now)  # at a gate it waits as long as it likes
