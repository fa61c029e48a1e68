"""The connection that holds the keys of gates: what a worker waits for inside a function, and how it is let go on.

A gate takes, and drops at once, a shared advisory lock on (its backend's pid, its turn number). Here the key of each
worker's next turn is held exclusively, so the worker stops there; to let it go on, the key after that is taken and
this one dropped, in one round trip. This connection runs nothing else: were it ever to wait for something that a
worker holds, there would be a true cycle of waits, and a worker would be told of a deadlock.
"""

from __future__ import annotations

import select

import psycopg
from psycopg import pq
from psycopg.pq import abc

from harness.errors import DriverError
from harness.model import LIFE_KEY

_BOUND_S = 30.0
_MOVE = b"SELECT pg_advisory_lock($1::int, $2::int), pg_advisory_unlock($1::int, $3::int)"
_HOLD = b"SELECT pg_advisory_lock($1::int, $2::int)"
_WHO = b"SELECT pg_catalog.pg_backend_pid()"
_DROP = b"SELECT pg_advisory_unlock($1::int, $2::int)"


class Gatekeeper:
    """Holds one key per backend that is under control. ``pid``: of its own backend."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connect()

    def reconnect(self) -> None:
        """Everything anew: the server has taken the connection, and every key with it."""
        self._connection.finish()
        self._connect()

    def _connect(self) -> None:
        self._connection: abc.PGconn = pq.PGconn.connect(self._conninfo.encode())
        if self._connection.status != pq.ConnStatus.OK:
            said = self._connection.error_message.decode(errors="replace").strip()
            raise DriverError(f"cannot connect to the server: {said.splitlines()[0]}")
        for name, sql in ((b"move", _MOVE), (b"hold", _HOLD), (b"drop", _DROP)):
            self._check(self._connection.prepare(name, sql))
        # Asked, because a pooler says a number of its own when a connection begins.
        self.pid = int(self._connection.exec_(_WHO).get_value(0, 0) or b"0")
        self._held: dict[int, int] = {}
        self._unread = False
        self._send(b"hold", *LIFE_KEY)

    def hold(self, backend: int, turn: int) -> None:
        """Backend ``backend`` will stop at the gate with number ``turn``, once this has settled."""
        held = self._held.get(backend)
        if held is None:
            self._send(b"hold", backend, turn)
        elif held != turn:
            self._send(b"move", backend, turn, held)
        self._held[backend] = turn

    def held(self, backend: int) -> int:
        """The number of the gate at which a backend will stop."""
        return self._held[backend]

    def brace(self, backend: int) -> None:
        """Hold the next gate as well, for a backend that will leave the one at which it stands without being let go;
        done when this returns."""
        self._send(b"hold", backend, self._held[backend] + 1)
        self.settle()

    def left(self, backend: int) -> None:
        """A backend that was braced for has left its gate."""
        turn = self._held[backend]
        self._send(b"drop", backend, turn)
        self._held[backend] = turn + 1

    def open(self, backend: int) -> None:
        """Let a backend pass all gates."""
        if (turn := self._held.pop(backend, None)) is not None:
            self._send(b"drop", backend, turn)

    def settle(self) -> None:
        """Wait until everything that was sent is done."""
        if not self._unread:
            return
        self._unread = False
        try:
            # Not by waiting inside libpq: that has no bound, and other threads would wait along.
            while True:
                while self._connection.is_busy():
                    if not select.select([self._connection.socket], [], [], _BOUND_S)[0]:
                        raise DriverError(f"the server did not hand over a gate within {_BOUND_S:.0f} s")
                    self._connection.consume_input()
                result = self._connection.get_result()
                if result is None:
                    break
                self._check(result)
        except psycopg.OperationalError as e:
            raise _lost(e) from None

    def close(self) -> None:
        self._connection.finish()

    def _send(self, statement: bytes, *keys: int) -> None:
        """Send, and do not wait: the answer is read before the next message, and nobody needs it sooner."""
        self.settle()
        try:
            self._connection.send_query_prepared(statement, [b"%d" % key for key in keys])
            self._connection.flush()
        except psycopg.OperationalError as e:
            raise _lost(e) from None
        self._unread = True

    def _check(self, result: abc.PGresult) -> None:
        if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            said = (result.error_message or b"").decode(errors="replace").strip()
            raise DriverError(f"the server refuses to hold a gate: {said}")


def _lost(error: psycopg.OperationalError) -> DriverError:
    return DriverError(f"the connection that holds the gates is lost: {str(error).strip().splitlines()[0]}")
