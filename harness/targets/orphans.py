"""What a postmaster leaves that was killed: backends, which end at their next wait only, and shared memory."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PATIENCE_S = 5.0
_IPC_RMID = 0
_SEGMENT_LINE = 6
"""Of `postmaster.pid`, counted from 0: key and id of the segment, in decimals."""


def end_orphans(data: Path) -> None:
    """End whatever still serves the data directory ``data``, whose postmaster is dead, and free its shared memory. On
    Linux; elsewhere backends end by themselves, and the segment (56 bytes) waits for the next start of the machine."""
    if sys.platform != "linux":
        return
    deadline = time.monotonic() + _PATIENCE_S
    while (left := list(serving(data))) and time.monotonic() < deadline:
        for pid in left:
            with suppress(OSError):  # it has just ended
                os.kill(pid, signal.SIGKILL)  # no one is left to whom the data matters
        time.sleep(0.005)
    _free_segment(data)


def serving(data: Path) -> Iterator[int]:
    """Processes that were started with this data directory: the postmaster and, with the same words, its children."""
    wanted = os.fsencode(data)
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):  # gone meanwhile, or somebody else's
                if wanted in (entry / "cmdline").read_bytes().split(b"\0"):  # empty for a zombie
                    yield int(entry.name)


def _free_segment(data: Path) -> None:
    try:
        key, number = map(int, (data / "postmaster.pid").read_text().splitlines()[_SEGMENT_LINE].split())
        rows = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    except (OSError, ValueError, IndexError):  # it had come no further, or there are no such segments here
        return
    # The number may be a stranger's by now; the key comes from the data directory's own inode.
    if any((int(row[0]) & 0xFFFFFFFF, int(row[1])) == (key & 0xFFFFFFFF, number) for row in rows):
        ctypes.CDLL(None).shmctl(number, _IPC_RMID, None)
