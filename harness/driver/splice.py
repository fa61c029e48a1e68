"""Puts a proxy into a worker's connection in mid-session, at the moment when the wire is to fail.

Until then workers talk to their server directly, and an execution without such a fault knows of no proxy. The worker
process passes its server's socket on, and in its place gets one end of a new pair; neither its library nor the server
can tell.
"""

from __future__ import annotations

from harness.driver.pool import WorkerProcess
from harness.errors import UsageError
from harness.wire import Adopted, Carrier, Fault


class Splicer:
    """Makes its proxy when it is first needed."""

    def __init__(self) -> None:
        self._carrier: Carrier | None = None

    def splice(self, process: WorkerProcess, fault: Fault) -> Adopted:
        """From now on ``fault`` lies in wait in the connection of ``process``, which has no statement under way. Raises
        `UsageError` where the connection is encrypted, `DriverError`."""
        if self._carrier is None:
            self._carrier = Carrier()
        message, sockets = process.borrow({"do": "splice"})
        if not message["spliced"]:
            raise UsageError("faults of the wire need a connection without TLS: sslmode=disable in --target, or other "
                             "--faults than lost_request, torn_request, lost_ack and black_hole")  # fmt: skip
        server, client = sockets
        return self._carrier.adopt(client, server, [fault])

    def close(self) -> None:
        """Hang up on everybody. Raises `DriverError` when the proxy has failed."""
        if self._carrier is not None:
            self._carrier.close()
            self._carrier = None
