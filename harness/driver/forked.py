"""A nursery that is forked from this process, which has loaded all that it needs: it is there in a few milliseconds, in
place of the third of a second that a new interpreter takes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

_STREAMS = 3


class Child:
    """A forked process, as far as a pool asks for it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                pid, status = self.pid, 0
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("nursery", timeout or 0)
            time.sleep(0.001)
        return code

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def may_fork() -> bool:
    """Whether a child that goes on with our memory is sound: no other thread can have left a lock taken in it, and the
    system's own libraries put up with it (macOS's do not)."""
    return sys.platform == "linux" and threading.active_count() == 1


def fork_nursery(theirs: socket.socket) -> Child:
    """Fork a nursery (see `harness.driver.nursery`) that serves ``theirs`` and has nothing else of ours: no descriptor,
    no terminal, none of our answers to signals. Raises `OSError`."""
    from harness.driver.nursery import main  # before the fork, which then has nothing to load

    # A signal that came between would be answered in the child as we do, by tidying up what is ours.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            try:
                _become_nursery(theirs.fileno(), before)
                main(theirs.fileno())
            finally:
                os._exit(1)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return Child(pid)


def _become_nursery(fd: int, mask: set[int | signal.Signals]) -> None:
    os.setsid()  # Ctrl-C is for the controller alone
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for entry in list(Path("/proc/self/fd").iterdir()):
        if int(entry.name) >= _STREAMS and int(entry.name) != fd:
            with suppress(OSError):  # the one by which this folder was read
                os.close(int(entry.name))
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
