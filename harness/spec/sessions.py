"""A session of a spec: a connection of its own, straight through libpq.

The worker processes of the driver do not serve here. They hand on one answer per statement as JSON; a step is one
message with any number of statements, of which every result is printed as the bytes that the server sent, and notices
and notifications count in the order in which they arrive. And nobody has to survive a fault: a connection will do.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from contextlib import suppress

import psycopg
from psycopg import pq
from psycopg.pq import abc

from harness.db import ANSWER_BOUND_S, connect
from harness.errors import TargetError
from harness.patience import Patience

_NAMED = b"SELECT set_config('application_name', current_setting('application_name') || '/' || $1, false)"
COPYING = (pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH)


class Connection:
    """``hear`` gets every notice as the text that libpq makes of it, at the moment when it is read."""

    def __init__(self, conninfo: str, name: str, *, application: str, hear: Callable[[bytes], None]) -> None:
        self.name, self.notices = name, 0
        self._hear = hear
        self._connection = connect(conninfo, application_name=application)
        self.pq = self._connection.pgconn
        self.pq.notice_handler = self._noticed
        self.pid = self.pq.backend_pid
        with self._bounded():
            named = self.pq.exec_params(_NAMED, [name.encode("utf-8", "surrogateescape")])
        if named.status != pq.ExecStatus.TUPLES_OK:
            self.close()
            raise TargetError(f"session {name} cannot be named: {named.error_message.decode(errors='replace').strip()}")

    def run(self, sql: str) -> abc.PGresult:
        """Send ``sql`` and wait for its end; the last result. Of a connection that is lost an error, too."""
        try:
            with self._bounded():
                return self.pq.exec_(sql.encode("utf-8", "surrogateescape"))
        except psycopg.OperationalError:
            return self.pq.make_empty_result(pq.ExecStatus.FATAL_ERROR)

    def send(self, sql: str) -> str:
        """Send ``sql``; what libpq says when it cannot ("": it could)."""
        try:
            self.pq.send_query(sql.encode("utf-8", "surrogateescape"))
        except psycopg.OperationalError:
            return self.pq.error_message.decode(errors="replace")
        return ""

    @property
    def busy(self) -> bool:
        """The answer is not complete, as far as it has been read."""
        return bool(self.pq.is_busy())

    def readable(self, seconds: float) -> bool:
        """Whether something to read is there within so many seconds."""
        watch = select.poll()
        watch.register(self.pq.socket, select.POLLIN)
        return bool(watch.poll(seconds * 1000))

    def take(self) -> None:
        """Read what is there. The end of the connection is an answer like any other, and shows in the results."""
        with suppress(psycopg.OperationalError):
            self.pq.consume_input()

    def results(self) -> Iterator[abc.PGresult]:
        with self._bounded():
            while (result := self.pq.get_result()) is not None:
                yield result

    def notifications(self) -> Iterator[pq.PGnotify]:
        self.take()
        while (notification := self.pq.notifies()) is not None:
            yield notification
            self.take()

    def cancel(self) -> None:
        """Ask the server to stop what it is doing for this session."""
        with suppress(psycopg.OperationalError):
            self.pq.get_cancel().cancel()

    def close(self) -> None:
        self._connection.close()

    def _noticed(self, result: abc.PGresult) -> None:
        self.notices += 1
        self._hear(result.error_message)

    def _bounded(self) -> Patience:
        return Patience(self.pq.socket, ANSWER_BOUND_S)
