"""The server's own timeouts as faults: of a statement that is held, and of a lock that is not to be had."""

from __future__ import annotations

from collections.abc import Callable

from harness.driver.client import Client, State
from harness.driver.doors import Doors
from harness.driver.observer import Observer
from harness.driver.plan import Points
from harness.driver.recorder import Recorder
from harness.driver.stranger import tables_held
from harness.driver.timers import Timers
from harness.errors import DriverError
from harness.model import Action, EventKind, Footprint

LOCK_BOUND_S = 10.0
"""How long a worker may wait for a table beyond its timer: a function may have set a ``lock_timeout`` of its own."""


class Timeouts:
    """Strikes workers by timers that were set before their statements were sent: raises `RewindError` where one was
    not, or may have come too soon. ``send`` lets a worker begin its next step. Each returns False, as its worker's
    connection lives on; and by then the worker has answered, reached its next gate or waits on."""

    def __init__(
        self,
        observer: Observer,
        recorder: Recorder,
        doors: Doors,
        timers: Timers,
        points: Points | None,
        send: Callable[[Client, int], None],
        *,
        bound_s: float,
    ) -> None:
        self._observer, self._recorder, self._doors, self._timers = observer, recorder, doors, timers
        self._points, self._send, self._bound_s = points, send, bound_s

    def of_statement(self, client: Client) -> bool:
        """The worker stays where it is, at a gate or in its wait, until the time is up."""
        self._timers.strikes(client)
        if client.state not in (State.BLOCKED, State.PARKED):
            return self._missed(client, "statement_timeout: no statement is under way")
        self._timers.require(client, Action.STATEMENT_TIMEOUT)
        self._doors.brace(client)
        self._timers.check()  # not before the next gate was held
        self._recorder.note(EventKind.FAULT, client.name, message="statement timeout fires")
        if not client.process.answers(self._bound_s + self._timers.ms / 1000):
            raise DriverError(f"{client.choice}: its statement_timeout of {self._timers.ms} ms does not end it")
        self._doors.left(client)
        return self._struck(client)

    def of_lock(self, client: Client) -> bool:
        """The tables that its next step touches are held by a stranger, as far as they are free, until the time is up;
        or the worker waits already."""
        self._timers.strikes(client)
        if client.state is State.BLOCKED:
            self._timers.require(client, Action.LOCK_TIMEOUT)
            if self._timed_out(client):
                self._recorder.note(EventKind.FAULT, client.name, message="lock timeout fires")
                return self._struck(client)
            self._timers.ineffective(client)
            return self._missed(client, "lock_timeout: its function has set another one")
        footprint = self._next(client)
        if not footprint:
            return self._missed(client, "lock_timeout: its next step touches no table")
        with tables_held(self._observer.connection, footprint) as held:
            if not held:
                return self._missed(client, "lock_timeout: no table that its next step touches is free")
            if client.state is State.READY:
                self._timers.set(client, Action.LOCK_TIMEOUT)
            else:
                self._timers.require(client, Action.LOCK_TIMEOUT)
            self._recorder.note(EventKind.FAULT, client.name, message=f"a stranger holds {', '.join(held)}")
            self._send(client, 0)
            self._timed_out(client)
        return self._struck(client)

    def _next(self, client: Client) -> Footprint:
        """What the next step of a worker that is held touches."""
        if self._points is None or not client.can_act:
            return Footprint()
        if client.site is not None:
            return client.site.footprint
        return self._points.entry(client.name, client.statement.name)

    def _timed_out(self, client: Client) -> bool:
        """Whether the worker has given up its wait; or done without it."""
        return client.process.answers(LOCK_BOUND_S + self._timers.ms / 1000)

    def _struck(self, client: Client) -> bool:
        self._timers.struck(client)
        client.state = State.RUNNING
        return False

    def _missed(self, client: Client, message: str) -> bool:
        client.struck = False
        self._recorder.note(EventKind.FAULT, client.name, message=f"{message}; nothing was struck")
        return False
