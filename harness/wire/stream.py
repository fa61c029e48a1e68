"""One socket of a connection through the proxy: written at once, ended in a chosen way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct

from harness.wire.faults import End

READ_BYTES = 65536


class Stream:
    """``flush_s``: how long a peer that does not read can hold up the end of its connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, flush_s: float) -> None:
        self._reader, self._writer, self._flush_s = reader, writer, flush_s
        assert isinstance(writer.transport, asyncio.Transport)  # a socket's; StreamWriter promises only half of it
        self._transport = writer.transport
        # With a limit of nothing `drain` means: it is all with the kernel.
        self._transport.set_write_buffer_limits(high=0)

    async def read(self) -> bytes:
        """Some bytes; none at the end, however it came about."""
        try:
            return await self._reader.read(READ_BYTES)
        except OSError:
            return b""  # reset, unreachable, timed out: for the other side the same as the end

    def put(self, data: bytes) -> None:
        """Write it without waiting; `flush` before `end`, else it may be lost."""
        if data and not self._transport.is_closing():
            self._writer.write(data)

    async def write(self, data: bytes) -> bool:
        """Hand all of it to the kernel; whether the peer was still there."""
        self.put(data)
        try:
            await self._writer.drain()
        except OSError:
            return False
        return not self._transport.is_closing()

    async def flush(self) -> None:
        """Wait until what was written is with the kernel, or the peer is gone, or ``flush_s`` are over."""
        with contextlib.suppress(OSError, TimeoutError):  # whoever asks goes on to close it
            async with asyncio.timeout(self._flush_s):
                await self._writer.drain()

    def end(self, how: End) -> None:
        """Close it now."""
        if not self._transport.is_closing():
            self._transport.pause_reading()
            descriptor = os.dup(self._writer.get_extra_info("socket").fileno())
            with socket.socket(fileno=descriptor) as raw:
                _hang_up(raw, how)
        self._transport.abort()


def _hang_up(raw: socket.socket, how: End) -> None:
    with contextlib.suppress(OSError):  # the peer was faster
        if how is End.RST:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(READ_BYTES, socket.MSG_DONTWAIT):
            pass  # unread bytes would turn the FIN into an RST
