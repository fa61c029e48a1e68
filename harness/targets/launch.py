"""Starts a server that ends with us, however we end: two ways, since neither does everywhere."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from harness.targets.account import Account, environment

_PR_SET_PDEATHSIG = 1

# The shell forks the watchdog, then becomes the server: $$ is the server's pid from the start, and no moment exists in
# which one runs without the other. Twice forked, so that the postmaster never reaps a child it does not know. `read`
# fails at end of file, which is when the last holder of the pipe's other end is gone; a line means: stand down.
_WATCHDOG = 'exec 3<&0 </dev/null; ( { read -r _ <&3 || kill -QUIT $$; } & ); exec "$0" "$@" 3<&-'


class Launch:
    """A running program that gets SIGQUIT when this process dies.

    ``watchdog``: by a shell that waits at a pipe. Otherwise, on Linux, the kernel does it (PR_SET_PDEATHSIG): cheaper,
    but it strikes when the *thread* that started the program ends, so None (the default) uses it on Linux from the
    main thread only. A session of its own keeps the program from the terminal's Ctrl-C.
    """

    def __init__(
        self, argv: Sequence[str | os.PathLike[str]], account: Account, log: Path, *, watchdog: bool | None = None
    ) -> None:
        if watchdog is None:
            watchdog = sys.platform != "linux" or threading.current_thread() is not threading.main_thread()
        self._pipe = -1
        with log.open("ab") as output:
            if not watchdog:
                self.process = _popen(argv, account, subprocess.DEVNULL, output.fileno(), _die_with_parent())
                return
            ours, self._pipe = os.pipe()
            try:
                wrapped = ["/bin/sh", "-c", _WATCHDOG, *argv]
                self.process = _popen(wrapped, account, ours, output.fileno(), None)
            except BaseException:
                os.close(self._pipe)
                raise
            finally:
                os.close(ours)

    def stop(self, *, timeout: float) -> None:
        """SIGQUIT, and SIGKILL after ``timeout`` seconds. Returns when the program is gone. May be called again."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.send_signal(signal.SIGCONT)  # a stopped one would hear nothing else
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self._pipe >= 0:
            # The watchdog must not fire at a number that may belong to a stranger by now.
            with suppress(BrokenPipeError):  # it was ended by hand
                os.write(self._pipe, b"\n")
            self.disown()

    def disown(self) -> None:
        """Let go of the watchdog's pipe: for a forked child, whose life says nothing about ours."""
        descriptor, self._pipe = self._pipe, -1
        if descriptor >= 0:
            os.close(descriptor)


def _popen(
    argv: Sequence[str | os.PathLike[str]],
    account: Account,
    stdin: int,
    output: int,
    prepare: Callable[[], None] | None,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        user=account.user,
        group=account.group,
        extra_groups=account.extra_groups,
        umask=0o077,
        cwd="/",
        env=environment(),
        stdin=stdin,
        stdout=output,
        stderr=output,
        start_new_session=True,
        preexec_fn=prepare,
    )


def _die_with_parent() -> Callable[[], None]:
    # All look-ups happen here: between fork and exec as little as possible may run. Changing the uid clears the
    # setting, but CPython calls preexec_fn after it has done that.
    prctl = ctypes.CDLL(None).prctl
    prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong]
    parent = os.getpid()
    number = int(signal.SIGQUIT)

    def prepare() -> None:
        if prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0 or os.getppid() != parent:
            os._exit(127)  # we died before the setting held

    return prepare
