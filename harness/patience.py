"""A bound for waits that have none. libpq waits for a server's answer for ever, and a server that was stopped (SIGSTOP,
a paused container) gives none; nor does any timeout of its own fire there."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from typing import Self

_LOOK_S = 0.5
_lock = threading.Lock()
_waits: dict[int, tuple[float, int]] = {}
"""Who waits → until when (clock reading), and the descriptor of the connection."""
_watch: list[threading.Thread] = []


class Patience:
    """A context in which the connection behind ``descriptor`` is shut down after ``seconds`` (and at most half a second
    more): whoever waits for its other end then meets the end of the connection, and an error like any other."""

    __slots__ = ("_descriptor", "_seconds")

    def __init__(self, descriptor: int, seconds: float) -> None:
        self._descriptor, self._seconds = descriptor, seconds

    def __enter__(self) -> Self:
        # No lock here: this happens several times in every execution, and one step on a dictionary is atomic.
        _waits[id(self)] = time.monotonic() + self._seconds, self._descriptor
        if not _watch:
            _begin()
        return self

    def __exit__(self, *_: object) -> None:
        if _waits.pop(id(self), None) is None:
            with _lock:  # once it has hung up, the descriptor may be closed, and its number be a stranger's
                pass


def _begin() -> None:
    with _lock:
        if not _watch:
            _watch.append(threading.Thread(target=_look, name="patience", daemon=True))
            _watch[0].start()


def _look() -> None:
    while True:
        time.sleep(_LOOK_S)
        now = time.monotonic()
        for waiter, (until, descriptor) in list(_waits.items()):
            if now > until:
                with _lock:
                    if _waits.pop(waiter, None) is not None:
                        _hang_up(descriptor)


def _hang_up(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.shutdown(socket.SHUT_RDWR)


os.register_at_fork(after_in_child=_watch.clear)  # threads stay behind
