"""Carries connections through faults, in one thread: those that are handed over, and those that are accepted."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from harness.errors import DriverError
from harness.wire.connection import Connection
from harness.wire.faults import Fault, Plan
from harness.wire.log import WireLog
from harness.wire.stream import Stream

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A connection that was handed over in mid-session. ``log``: of it alone. ``release`` ends its black hole."""

    log: WireLog
    release: Callable[[], None]


class Carrier:
    """Works from the moment it is made until `close`. ``bound_s``: how long beginning, connecting and ending may take
    each. Raises `DriverError` when it cannot begin. Every method may be called from any thread."""

    def __init__(self, *, bound_s: float = 10.0) -> None:
        self._bound_s = bound_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: set[Connection] = set()
        self._failures: list[BaseException] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wire proxy", daemon=True)
        atexit.register(self.close)
        self._thread.start()
        if not self._ready.wait(bound_s) or self._failures:
            self.close()
            raise DriverError(f"the proxy does not listen after {bound_s:g} s")

    def adopt(self, client: socket.socket, server: socket.socket, faults: Sequence[Fault]) -> Adopted:
        """Stand between the two from now on: ``client`` leads to a client and ``server`` to its server, whose session
        has begun and has no question open. ``faults`` count the messages from here on. Both sockets belong to the
        carrier afterwards, whatever happens. Raises `DriverError`."""
        assert self._loop is not None
        log = WireLog()
        adopting = self._adopt(client, server, Plan(faults), log)
        try:
            connection = asyncio.run_coroutine_threadsafe(adopting, self._loop).result(self._bound_s)
        except (OSError, RuntimeError, TimeoutError) as error:
            client.close()
            server.close()
            raise DriverError(f"the proxy cannot take a connection over: {error!r}") from None
        return Adopted(log=log, release=lambda: self._tell(connection.release))

    def release(self) -> None:
        """End every black hole there is. Held messages go on; done by the time the log says ``released``."""
        self._tell(self._release)

    def close(self) -> None:
        """Hang up on everybody and stop. Raises `DriverError` when something inside went wrong, now or before. A second
        call does nothing."""
        atexit.unregister(self.close)
        self._ready.wait(self._bound_s)
        self._tell(self._stop.set)
        self._thread.join(2 * self._bound_s)
        if self._thread.is_alive():
            raise DriverError("the proxy's thread does not end")
        failures, self._failures = self._failures, []
        if failures:
            raise DriverError(f"the proxy failed: {failures[0]!r}") from failures[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------ in the thread

    def _release(self) -> None:
        for connection in self._connections:
            connection.release()

    async def _listen(self) -> Sequence[asyncio.Server]:
        """What to accept connections from."""
        return ()

    async def _carry(self, connection: Connection) -> None:
        """Carry a connection to its end."""
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    def _begin(self, carrying: asyncio.Task[None], *ends: asyncio.StreamWriter) -> None:
        """Look after a connection's task, and after its sockets when that is over."""
        self._tasks.add(carrying)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            for writer in ends:
                writer.transport.abort()  # it may have been cancelled before its first step
            if not task.cancelled() and (error := task.exception()) is not None:
                self._failures.append(error)

        carrying.add_done_callback(done)

    async def _adopt(self, client: socket.socket, server: socket.socket, plan: Plan, log: WireLog) -> Connection:
        ends: list[Ends] = []
        for end in (client, server):
            end.setblocking(False)
            ends.append(await asyncio.open_connection(sock=end))
        streams = [Stream(*each, flush_s=self._bound_s) for each in ends]
        connection = Connection(1, *streams, plan=plan, log=log, begun=True)
        self._begin(asyncio.create_task(self._carry(connection)), *(writer for _, writer in ends))
        return connection

    def _tell(self, what: Callable[[], object]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # its loop is closed: there is nobody to tell
                self._loop.call_soon_threadsafe(what)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            self._failures.append(error)
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        listening: Sequence[asyncio.Server] = ()
        try:
            listening = await self._listen()
            self._ready.set()
            await self._stop.wait()
        finally:
            for each in listening:
                each.close()
            await asyncio.sleep(0)  # who was accepted just now has its task
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self._bound_s)
            await asyncio.sleep(0)  # aborted transports close their sockets
