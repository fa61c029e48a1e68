"""Messages as bytes, made by hand, and a server that only listens and says what it was told to say."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

BOUND_S = 120.0
STARTUP = (8 + 4).to_bytes(4, "big") + (196608).to_bytes(4, "big") + b"u\0\0\0"


def message(kind: str, body: bytes = b"") -> bytes:
    return kind.encode() + (len(body) + 4).to_bytes(4, "big") + body


def query(sql: str) -> bytes:
    return message("Q", sql.encode() + b"\0")


def request(code: int, body: bytes = b"") -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + code.to_bytes(4, "big") + body


def ready(status: str = "I") -> bytes:
    return message("Z", status.encode())


def done(tag: str) -> bytes:
    return message("C", tag.encode() + b"\0")


class ScriptedServer:
    """On a Unix socket in ``folder``: says ``reply`` to whoever comes, then reads to the end and hangs up.

    ``heard``: what each client said, in the order in which they left. With ``hangs_up`` it leaves first.
    """

    def __init__(self, folder: Path) -> None:
        self.reply, self.hangs_up = b"", False
        self.heard: list[bytes] = []
        self.heard_one = threading.Condition()
        self.conninfo = f"host={folder} port=5432 user=u password=geheim"
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(folder / ".s.PGSQL.5432"))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(BOUND_S)
        self._socket.close()

    def await_heard(self, count: int) -> list[bytes]:
        with self.heard_one:
            assert self.heard_one.wait_for(lambda: len(self.heard) >= count, BOUND_S)
            return list(self.heard)

    def _serve(self) -> None:
        talking = []
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                break  # shut down
            talking.append(threading.Thread(target=self._talk, args=(client,)))
            talking[-1].start()
        for thread in talking:
            thread.join(BOUND_S)

    def _talk(self, client: socket.socket) -> None:
        with client:
            client.settimeout(BOUND_S)
            with contextlib.suppress(ConnectionError):  # who has left may have said something before
                client.sendall(self.reply)
            heard = b"" if self.hangs_up else read_to_end(client)
        with self.heard_one:
            self.heard.append(heard)
            self.heard_one.notify_all()


def dial(path: str) -> socket.socket:
    """A client's socket, with a bound on every wait."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(BOUND_S)
    client.connect(path)
    return client


def read_to_end(client: socket.socket) -> bytes:
    heard = b""
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(65536):
            heard += piece
    return heard
