"""The server crashes in mid-execution: everybody's connection is lost, and after the recovery all goes on anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.driver.client import Client, State
from harness.driver.effects import Effects
from harness.driver.gatekeeper import Gatekeeper
from harness.driver.locks import Locks
from harness.driver.observer import Observer
from harness.driver.recorder import Recorder
from harness.errors import DriverError
from harness.model import Action, EventKind, Ledger

Crash = Callable[[Action, int], None]
"""``crash(action, backend)`` does it for real, to that backend or to its server, and returns when the server has
recovered and takes connections. Raises `HarnessError` when nothing crashed, or nothing came back."""

_DONE = {
    Action.BACKEND_CRASH: "SIGKILL of its backend; the server ended all others and recovered",
    Action.SERVER_CRASH: "SIGKILL of the postmaster and all its processes; the server was started again and recovered",
}
_LOST = "connection lost: the server crashed"


class Crashes:
    """Crashes the server under one execution, and writes down what that means for every worker.

    Whoever has sent something has lost its connection, and with it its way: it ends. Whoever has not yet begun is given
    a new session (``renew``) and knows of nothing.
    """

    def __init__(
        self,
        crash: Crash | None,
        recorder: Recorder,
        locks: Locks,
        effects: Effects,
        clients: Sequence[Client],
        observer: Observer,
        gatekeeper: Gatekeeper | None,
        renew: Callable[[Sequence[Client]], None],
    ) -> None:
        self._crash, self._recorder, self._locks, self._effects = crash, recorder, locks, effects
        self._clients, self._observer, self._gatekeeper, self._renew = clients, observer, gatekeeper, renew

    def strike(self, client: Client, action: Action, ledger: Ledger | None) -> None:
        """Crash the server at ``client``, wherever that is, even right behind its last answer. ``ledger``: the
        committed one, as it is now, where it could be read."""
        if self._crash is None:
            raise DriverError(f"{client.name}.!{action.value}: this server is not ours to crash")
        if not client.process.backend:
            message = f"{action.value}: the worker has no connection; nothing was struck"
            self._recorder.note(EventKind.FAULT, client.name, message=message)
            return
        client.struck = True
        self._crash(action, client.process.backend)
        self._observer.reconnect()
        if self._gatekeeper is not None:
            self._gatekeeper.reconnect()
        self._recorder.note(EventKind.CRASH, client.name, message=_DONE[action], ledger=ledger)
        fresh = [c for c in self._clients if c is not client and not c.begun and not c.over]
        for other in self._clients:
            if other is not client and other not in fresh and not other.over:
                self._recorder.note(EventKind.CRASH, other.name, message=_LOST)
            if other not in fresh:
                self._lose(other)
        self._renew(fresh)
        self._locks.renew()

    def _lose(self, client: Client) -> None:
        """Its session is gone: what was open in it is rolled back, and of what was to commit by itself nobody knows."""
        if client.state is State.DEAD:
            return
        if client.in_flight:
            while "gate" in (client.process.receive() or {}):
                pass  # it had passed that before it learnt that it is alone
            in_doubt = client.commit_in_doubt and not client.statement.opens
            kind = EventKind.INFO if in_doubt else EventKind.FAIL
            self._recorder.note(kind, client.name, client.statement.name, message=_LOST)
            client.in_transaction = False
            self._effects.answered(client, failed=True)
        client.in_transaction = False
        client.process.backend = 0
        if not client.over:
            client.end()
