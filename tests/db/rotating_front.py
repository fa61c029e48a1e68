"""A pooler in front of a server, small enough to read: each transaction gets whichever session comes next."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress

from front import Front

_READY, _IDLE = ord("Z"), ord("I")
_SSL_REQUEST = 80877103


class RotatingFront(Front):
    """``sessions``: how many it has at the Unix socket ``server``. ``latest``: hands out the session that came
    back last, not the one that has waited longest."""

    def __init__(self, server: str, *, sessions: int, latest: bool) -> None:
        super().__init__()
        self._server, self._sessions, self._latest = server, sessions, latest
        self._free: list[_Session] = []
        self._made: list[_Session] = []

    def left(self) -> None:
        for session in self._made:
            session.writer.transport.abort()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whoever leaves while it waits for an answer is no error, nor is the end of the front itself.
        with suppress(asyncio.CancelledError, asyncio.IncompleteReadError, OSError):
            await self._serve(reader, writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        startup = await _startup(reader)
        while startup[4:8] == struct.pack("!i", _SSL_REQUEST):
            writer.write(b"N")
            startup = await _startup(reader)
        try:
            session = await self._take(startup)
            writer.write(session.greeting)
            self._free.append(session)
            while data := await reader.read(65536):
                session = await self._take(startup)
                while not await session.answered(data, writer):
                    data = await reader.read(65536)
                self._free.append(session)
        finally:
            writer.transport.abort()

    async def _take(self, startup: bytes) -> _Session:
        if len(self._made) < self._sessions:
            session = _Session(*await asyncio.open_unix_connection(self._server))
            self._made.append(session)
            await session.begin(startup)
            return session
        return self._free.pop(-1 if self._latest else 0)


class _Session:
    """One of the server's. ``greeting``: what it said when it began."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.greeting = b""

    async def begin(self, startup: bytes) -> None:
        self.writer.write(startup)
        while not self.greeting or self.last != _READY:
            self.greeting += await self.message()

    async def message(self) -> bytes:
        head = await self.reader.readexactly(5)
        body = await self.reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)
        self.last = head[0]
        return head + body

    async def answered(self, data: bytes, writer: asyncio.StreamWriter) -> bool:
        """Pass a client's message on, and all answers back; whether the session is in no transaction afterwards. A
        client that goes away leaves its session as it is."""
        if data[:1] in (b"X", b""):
            return True
        self.writer.write(data)
        while True:
            message = await self.message()
            writer.write(message)
            if message[0] == _READY:
                return message[5] == _IDLE


async def _startup(reader: asyncio.StreamReader) -> bytes:
    length = await reader.readexactly(4)
    return length + await reader.readexactly(struct.unpack("!i", length)[0] - 4)
