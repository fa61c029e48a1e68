"""The gates of one execution: which worker stops at its next one, and which may run on through several."""

from __future__ import annotations

from collections.abc import Sequence

from harness.driver.client import Client, State
from harness.driver.gatekeeper import Gatekeeper
from harness.driver.plan import Points
from harness.model import StatementKind

_GATELESS = (StatementKind.BEGIN, StatementKind.ROLLBACK)
"""They reach no gate. And the statement behind a BEGIN may be on its way already, so that its gates are not to stand
open for this turn's sake."""
MAX_STEPS = 10_000
"""Turns that an execution may take, and so the gates that anybody is let through at once."""


class Doors:
    """``gatekeeper`` and ``points`` are None where workers are not held inside their statements: then nothing is done.

    A worker that is let through several gates still tells of each; the execution takes its turns from what it tells,
    one by one, as if it had stopped every time.
    """

    def __init__(self, gatekeeper: Gatekeeper | None, points: Points | None, clients: Sequence[Client]) -> None:
        self._gatekeeper = gatekeeper if points is not None else None
        deferred = points is not None and bool(points.commit)
        self._gateless = _GATELESS if deferred else (*_GATELESS, StatementKind.COMMIT)
        self._clients = clients

    def passing(self, client: Client) -> bool:
        """Whether the gate that a worker has reached last stood open, so that it does not wait there."""
        return self._gatekeeper is not None and self._gatekeeper.held(client.backend) > client.turn

    def caught_up(self, client: Client) -> bool:
        """Whether what is seen of a worker's backend is about its step in hand: one that runs on, through open gates or
        to statements that it was given along, may be farther than its process has told."""
        if self._gatekeeper is not None and self._gatekeeper.held(client.backend) > client.turn + 1:
            return client.process.caught_up()
        return not client.along or client.process.caught_up()

    def open(self, client: Client, ahead: int, *, alone: bool) -> None:
        """Let a worker on to its next gate and, when it is ``alone`` (nobody waits), through ``ahead`` more."""
        if self._gatekeeper is None or (client.site is not None and self.passing(client)):
            return
        if client.site is None and client.statement.kind in self._gateless:
            return
        stop = client.turn + 1 + (min(ahead, MAX_STEPS) if alone else 0)
        before = self._gatekeeper.held(client.backend)
        self._gatekeeper.hold(client.backend, stop)
        if before > stop:  # the key must be there before the worker is
            self._gatekeeper.settle()

    def throw_open(self, client: Client) -> None:
        """Let a worker through every gate to the end of its statement; done when this returns."""
        if self._gatekeeper is not None:
            self._gatekeeper.hold(client.backend, client.turn + 1 + MAX_STEPS)
            self._gatekeeper.settle()

    def leave(self, client: Client) -> None:
        """A worker's session is another one from now on."""
        if self._gatekeeper is not None:
            self._gatekeeper.open(client.backend)

    def brace(self, client: Client) -> None:
        """A worker that stands at a gate is about to be driven from it by something that its function may survive: it
        is to stop at the next one."""
        if self._gatekeeper is not None and client.state is State.PARKED:
            self._gatekeeper.brace(client.backend)

    def left(self, client: Client) -> None:
        """That has happened."""
        if self._gatekeeper is not None and client.state is State.PARKED:
            self._gatekeeper.left(client.backend)

    def shut(self, client: Client) -> None:
        """A worker has come to wait for a lock: when it is set free it is to stop at its next gate, and behind its
        statement."""
        if client.along:
            client.along = 0
            client.process.send({"do": "halt"})
        if self._gatekeeper is not None and self._gatekeeper.held(client.backend) > client.turn + 1:
            self._gatekeeper.hold(client.backend, client.turn + 1)
            self._gatekeeper.settle()

    def runaway(self, client: Client) -> Client | None:
        """Another worker that runs on though it is the turn of ``client``: a promise was broken."""
        for other in self._clients:
            if other is not client and (other.along or (other.state is State.PARKED and self.passing(other))):
                return other
        return None
