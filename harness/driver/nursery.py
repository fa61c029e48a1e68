"""A small process that has imported psycopg once and forks workers on demand: a new worker costs a few milliseconds
in place of a fresh interpreter, so that killing workers is cheap enough to be an ordinary step.

It lives as long as the other end of the socket that it is given.
"""

from __future__ import annotations

import array
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Callable
from typing import NoReturn

from harness.driver.worker import serve


def main(fd: int, serve: Callable[[socket.socket], NoReturn] = serve) -> NoReturn:
    """Fork a worker for every descriptor that arrives; answer with its process id on a line, or with the words of the
    system when it refuses. ``serve``: what a worker does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # dead workers need no wait()
    gc.freeze()  # pages stay shared with the children
    with socket.socket(fileno=fd) as control:
        while True:
            try:
                data, ancillary, _, _ = control.recvmsg(1, socket.CMSG_SPACE(array.array("i").itemsize))
            except ConnectionResetError:  # the controller died before it had read an answer
                data = b""
            if not data:
                os._exit(0)
            descriptors = array.array("i")
            descriptors.frombytes(ancillary[0][2])
            try:
                pid = os.fork()
            except OSError as error:  # no processes or no memory left
                answer(control, error.strerror or str(error))
                os.close(descriptors[0])
                continue
            if pid == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                control.close()
                serve(socket.socket(fileno=descriptors[0]))
            os.close(descriptors[0])
            answer(control, str(pid))


def answer(control: socket.socket, text: str) -> None:
    """A line to the controller, which may be gone."""
    with contextlib.suppress(BrokenPipeError):
        control.sendall(f"{text}\n".encode())
