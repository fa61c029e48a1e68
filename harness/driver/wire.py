"""JSON lines over a socket pair: how controller, nursery and workers talk."""

from __future__ import annotations

import json
import socket
from typing import Any

Message = dict[str, Any]

_decoded = json.JSONDecoder().decode
_encoded = json.JSONEncoder().encode


class Wire:
    """One end of a socket pair that carries one JSON object a line."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        # Pieces of the first line, its end if it is complete, and what follows.
        self._line: list[bytes] = []
        self._more = b""
        self._buffer = b""
        self._unsent = b""

    def fileno(self) -> int:
        return self.sock.fileno()

    def send(self, message: Message) -> None:
        """Raises `BrokenPipeError` when the other end is gone."""
        self.later(message)
        self.flush()

    def later(self, message: Message) -> None:
        """Send a message with the next one, or with the next `flush`."""
        self._unsent += _encoded(message).encode() + b"\n"

    def flush(self) -> None:
        """Raises `BrokenPipeError` as `send` does."""
        if self._unsent:
            unsent, self._unsent = self._unsent, b""
            self.sock.sendall(unsent)

    def receive(self) -> Message | None:
        """The next message, waiting for it as long as the socket's timeout says; None when the other end is gone."""
        while not self._more:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            end, self._more, rest = data.partition(b"\n")
            self._line.append(end)
            self._buffer = rest
        message: Message = _decoded(b"".join(self._line).decode())
        end, self._more, self._buffer = self._buffer.partition(b"\n")
        self._line = [end]
        return message

    def lend(self, message: Message, *descriptors: int) -> None:
        """Send a message, and duplicates of open files (at most two) with it: the other end takes it with `borrow`."""
        self.flush()
        socket.send_fds(self.sock, [json.dumps(message).encode() + b"\n"], descriptors)

    def borrow(self) -> tuple[Message, list[int]] | None:
        """The next message and the open files that came with it. None when the other end is gone. To be asked when
        nothing else is on the way."""
        assert not self._more
        data, descriptors, _, _ = socket.recv_fds(self.sock, 65536, 2)
        if not data:
            return None
        message: Message = json.loads(data)
        return message, descriptors

    @property
    def pending(self) -> bool:
        """A whole message has already been read from the socket."""
        return bool(self._more)

    def close(self) -> None:
        self.sock.close()
