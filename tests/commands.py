"""Commands of the harness, each in a process of its own and as a person would give it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path

import warm

ROOT = Path(__file__).resolve().parent.parent
BOUND_S = 600.0
"""How long a command may take before it is taken for hanging."""
AT_START = ("PYTHON", "LC_", "LANG", "MPL")
"""Variables that are read once, when an interpreter or a library starts."""

Done = subprocess.CompletedProcess[str]


class Warm:
    """The process that forks commands; started with the first of them, it ends with this one."""

    def __init__(self) -> None:
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, warm.__file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for pytest alone
                env=self.environment | {"OPENBLAS_NUM_THREADS": "1"},  # whoever forks has no threads
            )

    def serves(self, environment: Mapping[str, str]) -> bool:
        """Whether nothing in it needs a new interpreter."""
        differing = dict(self.environment.items() ^ environment.items())
        return not any(name.startswith(AT_START) for name in differing)

    def run(self, arguments: tuple[str, ...], cwd: Path, environment: Mapping[str, str]) -> Done:
        """See `harness`."""
        asked = json.dumps({"arguments": arguments, "cwd": str(cwd), "variables": dict(environment)}).encode()
        (out, write_out), (err, write_err) = os.pipe(), os.pipe()
        try:
            socket.send_fds(self._control, [f"{len(asked):{warm.LENGTH}}".encode()], [write_out, write_err])
            self._control.sendall(asked)
        finally:
            os.close(write_out)
            os.close(write_err)
        pid = self._number()
        with ThreadPoolExecutor(2) as readers:
            read = [readers.submit(_all_of, descriptor) for descriptor in (out, err)]
            late = bool(wait(read, timeout=BOUND_S).not_done)
            if late:
                os.kill(pid, signal.SIGKILL)
            said, complained = (each.result() for each in read)
        done = subprocess.CompletedProcess(["harness", *arguments], self._number(), said, complained)
        if late:
            raise subprocess.TimeoutExpired(done.args, BOUND_S, said, complained)
        return done

    def close(self) -> None:
        self._control.close()
        self._process.wait()

    def _number(self) -> int:
        return int(self._control.recv(warm.LENGTH, socket.MSG_WAITALL))


def _all_of(descriptor: int) -> str:
    with open(descriptor, encoding="utf-8") as stream:
        return stream.read()


@cache
def _warm() -> Warm:
    return Warm()


def harness(*arguments: str, cwd: Path = ROOT, fresh: bool = False, **environment: str) -> Done:
    """What became of a command: exit code and what it printed. ``fresh``: by ``python -m harness``, with an interpreter
    of its own; otherwise it is forked from one that has imported everything, as far as the variables in
    ``environment`` allow. Of commands that must come to the same, one is to be fresh: only then do they hash strings
    differently. Raises `subprocess.TimeoutExpired`."""
    whole = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    if not fresh and _warm().serves(whole):
        return _warm().run(arguments, cwd, whole)
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=cwd, env=whole, capture_output=True, text=True, encoding="utf-8", timeout=BOUND_S, check=False,
    )  # fmt: skip


def close() -> None:
    """End the process that forks commands. Nothing to do where there was none."""
    if _warm.cache_info().currsize:
        _warm().close()
        _warm.cache_clear()
