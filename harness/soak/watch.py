"""Looks at a soak from beside: who waits for a lock, and, as often as can be afforded, whether the ledger is right."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import psycopg

from harness.soak.ledger import check_ledger
from harness.soaked import Broken, Told

_LOOK_S = 0.1
_REST = 4
"""After a check that took x seconds there is none for this many times x: workers need the machine more."""
_WAITING = """
SELECT count(*)
FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'"""


class Watch:
    """A thread with a connection of its own (``connection``, closed at the end). ``told`` gives what
    `check_ledger` takes. A context manager; `stop` ends it sooner."""

    def __init__(self, connection: psycopg.Connection[Any], told: Callable[[], Told]) -> None:
        self._connection, self._told = connection, told
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak-watch", daemon=True)
        self._most_lock_waits = 0
        self.looks: Counter[int] = Counter()
        """How often so many sessions waited for a lock."""
        self.checked = 0
        self.broken: tuple[Broken, ...] = ()
        """What the first check that failed found; there is none after it."""
        self._error: BaseException | None = None

    @property
    def alarmed(self) -> bool:
        """There is no use in going on."""
        return bool(self.broken) or self._error is not None

    def take_lock_waits(self) -> int:
        """The most sessions that were seen to wait for a lock at once, since this was last asked."""
        most, self._most_lock_waits = self._most_lock_waits, 0
        return most

    def stop(self) -> None:
        """End the look or check that it is at. Raises what went wrong in the thread. Idempotent."""
        self._over.set()
        self._thread.join()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        if error is not None:
            with suppress(psycopg.Error):  # the server may be what has failed
                self._connection.cancel()  # whoever is on the way out does not wait for a long check
        self._thread.join()
        self._connection.close()
        if error is None and self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            rested = time.monotonic()
            while not self._over.wait(_LOOK_S):
                row = self._connection.execute(_WAITING).fetchone()
                assert row is not None
                self._most_lock_waits = max(self._most_lock_waits, row[0])
                self.looks[row[0]] += 1
                if time.monotonic() < rested or self.broken:
                    continue
                begin = time.monotonic()
                self.broken = check_ledger(self._connection, self._told())
                self.checked += 1
                rested = time.monotonic() + _REST * (time.monotonic() - begin)
        except BaseException as error:
            self._error = error  # raised where somebody waits for it
