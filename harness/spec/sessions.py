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

from harness.db import ANSWER_BOUND_S, connect, one_line
from harness.driver.observer import COPYING
from harness.errors import TargetError
from harness.patience import Patience

_NAMED = (
    b"SELECT set_config('application_name', current_setting('application_name') || '/' || $1, false), "
    b"pg_catalog.pg_backend_pid()"
)
"""Who serves it is asked as well: a pooler says a number of its own when a connection begins."""
_FOR_NOW_S = 10.0


class Connection:
    """``hear`` gets every notice as the text that libpq makes of it, at the moment when it is read."""

    def __init__(self, conninfo: str, name: str, *, application: str, hear: Callable[[bytes], None]) -> None:
        self.name, self.notices = name, 0
        self._hear = hear
        self._connection = connect(conninfo, application_name=application)
        self.pq = self._connection.pgconn
        self.pq.notice_handler = self._noticed
        with self._bounded():
            named = self.pq.exec_params(_NAMED, [name.encode("utf-8", "surrogateescape")])
        if named.status != pq.ExecStatus.TUPLES_OK:
            self.close()
            raise TargetError(f"session {name} cannot be named: {named.error_message.decode(errors='replace').strip()}")
        self.pid = int(named.get_value(0, 1) or b"0")

    def run(self, sql: str) -> abc.PGresult:
        """Send ``sql`` and wait for its end; the last result. Of a connection that is lost an error, too."""
        last = None
        if not self.send(sql):
            for last in self.results():
                if last.status in COPYING:
                    break  # there would be no end of them
        return last or self.pq.make_empty_result(pq.ExecStatus.FATAL_ERROR)

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
        """Read what is there. Raises `TargetError` when the connection has ended without a word."""
        try:
            self.pq.consume_input()
        except psycopg.OperationalError as e:
            raise TargetError(f"session {self.name}: connection lost: {one_line(str(e))}") from None

    def results(self) -> Iterator[abc.PGresult]:
        """All results of what was sent, each as soon as it is there. Signals are heard meanwhile: libpq, left to wait
        by itself, would not return for one."""
        with self._bounded():
            failed = False
            while True:
                while not failed and self.busy:  # behind an error nothing is long in coming, be it the session's end
                    self.readable(_FOR_NOW_S)
                    self.take()
                if (result := self.pq.get_result()) is None:
                    return
                failed = result.status == pq.ExecStatus.FATAL_ERROR
                yield result

    def notifications(self) -> Iterator[pq.PGnotify]:
        with suppress(TargetError):  # a session that has just been ended says no more
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
