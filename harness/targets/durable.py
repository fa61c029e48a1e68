"""A server of our own that keeps what it has acknowledged, as in production, and that may be crashed."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from harness.db import connect
from harness.errors import TargetError
from harness.targets.embedded import EmbeddedTarget
from harness.targets.places import disk_place
from harness.targets.runfolder import QUIT_TIMEOUT_S
from harness.targets.settings import DURABLE

_START_TIMEOUT_S = 120.0
"""A recovery begins with an fsync of every file there is, which a busy disk takes its time for."""
_INTERLOCK = "still in use"
"""What a server says that finds processes of the one before it in its data directory."""
# Each new start of the server's processes has another one; its start is told to the microsecond.
_GENERATION = "SELECT backend_start::text FROM pg_stat_activity WHERE backend_type = 'checkpointer'"


class DurableTarget(EmbeddedTarget):
    """An embedded server that waits for its disk before it acknowledges a commit, with its data on one.

    ``settings`` override `DURABLE`; the others are as for `EmbeddedTarget`. Not for two at a time: a crash takes
    everybody's connection.
    """

    def __init__(
        self,
        *,
        pg_bin: Path | None = None,
        settings: Mapping[str, str] | None = None,
        cache: Path | None = None,
        place: Path | None = None,
        watchdog: bool | None = None,
    ) -> None:
        super().__init__(
            pg_bin=pg_bin, settings={**DURABLE, **(settings or {})}, cache=cache, place=place or disk_place(),
            start_timeout=_START_TIMEOUT_S, watchdog=watchdog,
        )  # fmt: skip

    def crash_backend(self, backend: int) -> None:
        """SIGKILL of one backend (its pid). The postmaster ends all others, since shared memory may be in disorder,
        recovers and goes on. Returns when connections are taken again. Raises `TargetError` when that took longer than
        the server may take to start, or when nothing crashed."""
        with self._connected() as witness:
            before = _generation(witness)
            try:
                os.kill(backend, signal.SIGKILL)
            except ProcessLookupError:
                raise TargetError(f"there is no backend {backend} to kill") from None
            # Until the witness is gone the postmaster may not know yet, and would still let somebody in.
            if not select.select([witness.pgconn.socket], [], [], self._start_timeout)[0]:
                raise TargetError(f"backend {backend} was killed, and the server does not mind")
        self._expect_recovery(before)

    def crash_server(self) -> None:
        """SIGKILL of the postmaster and all its processes. Then the server is started on the same data directory, and
        recovers. Returns when connections are taken again. Raises `TargetError`.

        A postmaster that was killed alone would leave its backends time to end in good order, and with the temporary
        tables that they drop would go to the disk what was acknowledged before it was there. So they go first, in a
        moment in which the postmaster can do no more than end them too.
        """
        with self._connected() as witness:
            before = _generation(witness)
            everybody = [pid for (pid,) in witness.execute("SELECT pid FROM pg_stat_activity").fetchall()]
            for pid in everybody:
                with suppress(ProcessLookupError):  # the postmaster was as quick
                    os.kill(pid, signal.SIGKILL)
            assert self._launch is not None
            self._launch.process.kill()
            self._launch.process.wait()
        self._launch.stop(timeout=QUIT_TIMEOUT_S)  # the watchdog must stand down
        self._start_when_deserted()
        self._expect_recovery(before)

    def _start_when_deserted(self) -> None:
        """A server's own interlock knows best when the last process of the one before it is gone: it counts who has the
        shared memory that ``postmaster.pid`` names. That file and the socket's lock name a dead process, which the new
        server sees, and replaces them."""
        deadline = time.monotonic() + self._start_timeout
        while True:
            try:
                self._start()
                return
            except TargetError as error:
                if _INTERLOCK not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.005)

    def _expect_recovery(self, before: str) -> None:
        self._wait_until_it_answers(self.folder / "server.log")
        with self._connected() as now:
            if _generation(now) == before:
                raise TargetError("the server was to crash, and did not")

    def _connected(self) -> psycopg.Connection[Any]:
        return connect(self.conninfo(self.maintenance_database), application_name="refund-harness crash")


def _generation(connection: psycopg.Connection[Any]) -> str:
    # Right after a start the checkpointer may not be listed yet.
    deadline = time.monotonic() + QUIT_TIMEOUT_S
    while (row := connection.execute(_GENERATION).fetchone()) is None:
        if time.monotonic() > deadline:
            raise TargetError("the server has no checkpointer")
        time.sleep(0.001)
    return str(row[0])
