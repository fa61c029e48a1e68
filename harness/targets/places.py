"""Where files of ours live on this machine, and the locks that guard them."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from harness.errors import TargetError

APP = "refund-harness"
_ROOM_NEEDED = 512 * 1024 * 1024
_LOCK_TIMEOUT_S = 120.0
_LONGEST_PLACE = 103 - len("/refund-harness-XXXXXXXX/.s.PGSQL.5432")


def cache_place() -> Path:
    """The folder of what outlives a run. Not created here. For root one that other accounts can read."""
    if os.geteuid() == 0:
        return platformdirs.site_cache_path(APP)
    return platformdirs.user_cache_path(APP)


def runs_place() -> Path:
    """The folder in which run folders are made: memory when it has more than 512 MB free, else the temporary folder.

    A disk is 4 to 20 times slower for databases that come and go.
    """
    memory = Path("/dev/shm")
    if sys.platform == "linux" and os.access(memory, os.W_OK | os.X_OK) and _free(memory) > _ROOM_NEEDED:
        return memory
    return disk_place()


def disk_place() -> Path:
    """The folder of run folders whose data is to be on a disk: the temporary folder (which is one, or not)."""
    # A longer path leaves no room for a run folder's socket (`sun_path` is 104 bytes on macOS, 108 on Linux).
    temporary = Path(tempfile.gettempdir())
    return Path("/tmp") if len(os.fsencode(temporary)) > _LONGEST_PLACE else temporary


def run_places() -> tuple[Path, ...]:
    """Every folder in which run folders may be: those of dead runs are to be swept."""
    return tuple(dict.fromkeys((runs_place(), disk_place())))


def _free(path: Path) -> int:
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return 0


@contextmanager
def locked(folder: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold the lock of a cache folder (created when absent). Raises `OSError` when the folder cannot be written, and
    `TargetError` when the lock stays taken."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0 and folder.stat().st_mode & 0o055 != 0o055:
        folder.chmod(0o755)  # whatever root's umask: the server's account reads here
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _take(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, folder)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, mode: int, folder: Path) -> None:
    # Polled, because a plain flock has no bound: whoever holds it could hang.
    deadline = time.monotonic() + _LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TargetError(f"{folder} stays locked by another process: end it, or remove the folder") from None
            time.sleep(0.01)
