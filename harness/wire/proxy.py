"""A proxy between any PostgreSQL client and its server, that loses connections where it is told to."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.errors import DriverError
from harness.wire.address import Address, server_address, through
from harness.wire.carrier import Carrier, Ends
from harness.wire.connection import Connection
from harness.wire.faults import End, Fault, Plan
from harness.wire.log import Entry, What, WireLog
from harness.wire.stream import Stream

_LONGEST_SOCKET_PATH = 100
_PORT = 5432


class Proxy(Carrier):
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
        self._plan, self._tcp = Plan(faults), tcp
        self.log = WireLog()
        self.folder = _new_folder()
        self._tcp_port = 0
        self._opened = 0
        super().__init__(bound_s=bound_s)

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

    def close(self) -> None:
        try:
            super().close()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    async def _listen(self) -> Sequence[asyncio.Server]:
        path = Address(host=str(self.folder), port=_PORT).socket
        listening = [await asyncio.start_unix_server(self._accept, path)]
        if self._tcp:
            listening.append(await asyncio.start_server(self._accept, "127.0.0.1", 0, family=socket.AF_INET))
            self._tcp_port = listening[-1].sockets[0].getsockname()[1]
        return listening

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._opened += 1
        self._begin(asyncio.get_running_loop().create_task(self._through(self._opened, reader, writer)), writer)

    async def _through(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
        server = Stream(*ends, flush_s=self._bound_s)
        await self._carry(Connection(number, client, server, plan=self._plan, log=self.log))

    async def _connect(self) -> Ends:
        if self._server.socket is not None:
            return await asyncio.open_unix_connection(self._server.socket)
        return await asyncio.open_connection(self._server.host, self._server.port)


def _new_folder() -> Path:
    """A folder for a socket; in /tmp if the usual place for temporary files has too long a name for one."""
    folder = Path(tempfile.mkdtemp(prefix="rhw-"))
    if len(str(folder)) > _LONGEST_SOCKET_PATH - len("/.s.PGSQL.65535"):
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="rhw-", dir="/tmp"))
    return folder
