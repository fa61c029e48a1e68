"""Worker processes for programs that stand nowhere but in this process: closures, lambdas, local functions.

Their nursery is a fork of this process, made once; it forks workers, and each worker forks a program anew for every
execution, so that all executions find the process's memory as it was when the troupe was made.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from harness.driver.actor import Program
from harness.driver.nursery import main
from harness.driver.pool import REPLY_BOUND_S, WorkerPool
from harness.driver.relay import serve


class Troupe(WorkerPool):
    """A pool whose workers can play ``programs``, by name."""

    def __init__(self, programs: Mapping[str, Program]) -> None:
        self._programs = programs
        super().__init__()

    def _open_nursery(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs, warnings.catch_warnings():
            # Newer Pythons warn of threads, which a fork does not have: of ours the nursery needs none.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
            if pid == 0:
                _play(theirs, ours, self._programs)
        ours.settimeout(REPLY_BOUND_S)
        self._control = ours
        self._nursery = _Child(pid)


class _Child:
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


def _play(theirs: socket.socket, ours: socket.socket, programs: Mapping[str, Program]) -> None:
    """What the nursery does until the other end of ``theirs`` is gone. Never returns, whatever happens: it must not
    end what this process was forked from."""
    try:
        ours.close()
        quiet = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(quiet, descriptor)
        sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
        main(theirs.detach(), partial(serve, programs=programs))
    finally:
        os._exit(1)
