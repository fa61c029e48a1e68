"""Worker processes for programs that stand nowhere but in this process: closures, lambdas, local functions.

Their nursery is a fork of this process, made once; it forks workers, and each worker forks a program anew for every
execution, so that all executions find the process's memory as it was when the troupe was made.
"""

from __future__ import annotations

import os
import socket
import sys
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from harness.driver.actor import Program
from harness.driver.forked import Child
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
        self._nursery = Child(pid)


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
