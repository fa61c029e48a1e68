"""A proxy between any PostgreSQL client and its server, that loses connections where it is told to."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.errors import DriverError
from harness.wire.address import Address, server_address, through
from harness.wire.connection import Connection
from harness.wire.faults import End, Fault, Plan
from harness.wire.log import Entry, What, WireLog
from harness.wire.stream import Stream

_LONGEST_SOCKET_PATH = 100
_PORT = 5432


class Proxy:
    """Listens from the moment it is made until `close`; ``faults`` strike once each, in whatever connection.

    ``conninfo`` leads to the server (a Unix socket or the network, without TLS). Listens on a Unix socket in a folder
    of its own that only this account may enter, and with ``tcp`` on a free port of 127.0.0.1 as well. ``bound_s``: how
    long beginning to listen, connecting to the server and ending a connection may take each. Raises `UsageError` for a
    connection string that leads nowhere, `DriverError` if it cannot listen. One thread; every method may be called
    from any.
    """

    def __init__(
        self, conninfo: str, faults: Sequence[Fault] = (), *, tcp: bool = False, bound_s: float = 10.0
    ) -> None:
        self._server_conninfo, self._server = conninfo, server_address(conninfo)
        self._plan, self._tcp, self._bound_s = Plan(faults), tcp, bound_s
        self.log = WireLog()
        self.folder = _new_folder()
        self._tcp_port = 0
        self._opened = 0
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

    @property
    def conninfo(self) -> str:
        """The server's, password included if it had one, by way of the proxy's Unix socket."""
        return through(self._server_conninfo, Address(host=str(self.folder), port=_PORT))

    @property
    def tcp_conninfo(self) -> str:
        """The same by way of its port. Raises `DriverError` when it has none."""
        if not self._tcp:
            raise DriverError("this proxy does not listen on TCP: make it with tcp=True")
        return through(self._server_conninfo, Address(host="127.0.0.1", port=self._tcp_port))

    def release(self) -> None:
        """End every black hole there is. Held messages go on; done by the time the log says ``released``."""
        self._tell(self._release)

    def close(self) -> None:
        """Hang up on everybody and stop listening. Raises `DriverError` when something inside the proxy went wrong,
        now or before. A second call does nothing."""
        atexit.unregister(self.close)
        self._ready.wait(self._bound_s)
        self._tell(self._stop.set)
        self._thread.join(2 * self._bound_s)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._thread.is_alive():
            raise DriverError("the proxy's thread does not end")
        failures, self._failures = self._failures, []
        if failures:
            raise DriverError(f"the proxy failed: {failures[0]!r}") from failures[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

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
        path = Address(host=str(self.folder), port=_PORT).socket
        listening = [await asyncio.start_unix_server(self._accept, path)]
        try:
            if self._tcp:
                listening.append(await asyncio.start_server(self._accept, "127.0.0.1", 0, family=socket.AF_INET))
                self._tcp_port = listening[-1].sockets[0].getsockname()[1]
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

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._opened += 1
        task = asyncio.get_running_loop().create_task(self._carry(self._opened, reader, writer))
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            writer.transport.abort()  # it may have been cancelled before its first step
            if not task.cancelled() and (error := task.exception()) is not None:
                self._failures.append(error)

        task.add_done_callback(done)

    async def _carry(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.log.add(Entry(what=What.OPENED, connection=number))
        client = Stream(reader, writer, flush_s=self._bound_s)
        try:
            async with asyncio.timeout(self._bound_s):
                ends = await self._connect()
        except (OSError, TimeoutError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            self.log.add(Entry(what=What.UNREACHABLE, connection=number, detail=why))
            client.end(End.FIN)
            return
        connection = Connection(number, client, Stream(*ends, flush_s=self._bound_s), plan=self._plan, log=self.log)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._server.socket is not None:
            return await asyncio.open_unix_connection(self._server.socket)
        return await asyncio.open_connection(self._server.host, self._server.port)

    def _release(self) -> None:
        for connection in self._connections:
            connection.release()


def _new_folder() -> Path:
    """A folder for a socket; in /tmp if the usual place for temporary files has too long a name for one."""
    folder = Path(tempfile.mkdtemp(prefix="rhw-"))
    if len(str(folder)) > _LONGEST_SOCKET_PATH - len("/.s.PGSQL.65535"):
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="rhw-", dir="/tmp"))
    return folder
