"""Messages over a socket pair: how controller, nursery and workers talk. All of them run the same Python, so what it
keeps its own compiled code in will do, and takes a quarter of the time that JSON takes."""

from __future__ import annotations

import marshal
import os
import socket
from typing import Any

Message = dict[str, Any]
"""What JSON could say as well: an object of nothing but plain values."""

_VERSION = 2
"""Later ones look for objects that come twice, which takes longer than to write them again."""
_HEAD = 4
"""Bytes that say how many follow."""


class Wire:
    """One end of a socket pair that carries messages, each behind its length."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = bytearray()
        self._unsent = b""
        self.pending = False
        """A whole message has already been read from the socket."""

    def fileno(self) -> int:
        return self.sock.fileno()

    def send(self, message: Message) -> None:
        """Raises `BrokenPipeError` when the other end is gone."""
        self.later(message)
        self.flush()

    def later(self, message: Message) -> None:
        """Send a message with the next one, or with the next `flush`."""
        self._unsent += _framed(message)

    def flush(self) -> None:
        """Raises `BrokenPipeError` as `send` does."""
        if self._unsent:
            unsent, self._unsent = self._unsent, b""
            # Not by the socket: one that has a timeout asks first whether it may, every time.
            try:
                sent = os.write(self.sock.fileno(), unsent)
            except BlockingIOError:
                sent = 0
            if sent < len(unsent):
                self.sock.sendall(unsent[sent:])

    def receive(self) -> Message | None:
        """The next message, waiting for it as long as the socket's timeout says; None when the other end is gone."""
        buffer = self._buffer
        while not self.pending:
            try:
                data = self._read()
            except ConnectionResetError:
                return None
            if not data:
                return None
            buffer += data
            self.pending = _is_whole(buffer)
        end = _HEAD + int.from_bytes(buffer[:_HEAD])
        message: Message = marshal.loads(buffer[_HEAD:end])
        del buffer[:end]
        self.pending = bool(buffer) and _is_whole(buffer)
        return message

    def _read(self) -> bytes:
        try:
            return os.read(self.sock.fileno(), 65536)
        except BlockingIOError:
            return self.sock.recv(65536)

    def lend(self, message: Message, *descriptors: int) -> None:
        """Send a message, and duplicates of open files (at most two) with it: the other end takes it with `borrow`."""
        self.flush()
        socket.send_fds(self.sock, [_framed(message)], descriptors)

    def borrow(self) -> tuple[Message, list[int]] | None:
        """The next message and the open files that came with it. None when the other end is gone. To be asked when
        nothing else is on the way."""
        assert not self._buffer
        data, descriptors, _, _ = socket.recv_fds(self.sock, 65536, 2)
        if not data:
            return None
        message: Message = marshal.loads(data[_HEAD:])
        return message, descriptors

    def close(self) -> None:
        self.sock.close()


def _framed(message: Message) -> bytes:
    body = marshal.dumps(message, _VERSION)
    return len(body).to_bytes(_HEAD) + body


def _is_whole(buffer: bytearray) -> bool:
    return len(buffer) >= _HEAD and len(buffer) >= _HEAD + int.from_bytes(buffer[:_HEAD])
