"""Run folders: one per server, locked by its living owner, swept by whoever comes after a dead one."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from harness.targets.account import Account
from harness.targets.orphans import end_orphans

PREFIX = "refund-harness-"
_OWNER = "owner.lock"
# A folder without the lock's file is either seconds old, and its owner about to lock it, or a ruin.
_YOUNG_S = 60.0
# A postmaster itself kills backends that do not answer SIGQUIT (stopped ones, for instance) after 5 s.
QUIT_TIMEOUT_S = 8.0


class RunFolder:
    """A folder ``refund-harness-XXXXXXXX`` of mode 0700 that the server's account owns, and the lock on it.

    The name is short because a socket's path has room for 107 bytes.
    """

    def __init__(self, place: Path, account: Account) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        # Locked under another name first: a sweeper that finds the file by its name finds it locked. Python opens
        # with O_CLOEXEC, so no program that we start inherits the lock.
        draft = self.path / "draft.lock"
        self._lock = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            draft.rename(self.path / _OWNER)
            account.give(self.path)
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Remove the folder with all it holds, then the lock. May be called again."""
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            self.disown()

    def disown(self) -> None:
        """Let go of the lock but leave the folder: for a forked child, which is not the owner."""
        descriptor, self._lock = self._lock, -1
        if descriptor >= 0:
            os.close(descriptor)


def sweep(place: Path, account: Account) -> list[Path]:
    """Remove the run folders of owners that died, and end servers that outlived them; what was removed."""
    return [path for path in leftovers(place, account) if sweep_one(path)]


def sweep_one(path: Path) -> bool:
    """Remove a run folder whose owner is dead, and end its server; whether it is gone."""
    descriptor = _try_lock(path)
    if descriptor is None:
        return False
    try:
        _end_server(path / "data")
        end_orphans(path / "data")
        shutil.rmtree(path, ignore_errors=True)
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    return not path.exists()


def leftovers(place: Path, account: Account) -> list[Path]:
    """Run folders of ours (this user's; for root also the server account's) whose owner is dead."""
    mine = {os.geteuid(), account.uid}
    found = []
    for path in sorted(place.glob(f"{PREFIX}*")):
        with suppress(OSError):  # gone meanwhile
            state = path.lstat()
            if path.is_dir() and not path.is_symlink() and state.st_uid in mine and _is_abandoned(path):
                found.append(path)
    return found


def _is_abandoned(path: Path) -> bool:
    descriptor = _try_lock(path)
    if descriptor is None:
        return False
    if descriptor >= 0:
        os.close(descriptor)
        return True
    return time.time() - path.stat().st_mtime > _YOUNG_S


def _try_lock(path: Path) -> int | None:
    """The owner's lock, taken: a descriptor; -1 when there is no such file; None when somebody has it."""
    try:
        descriptor = os.open(path / _OWNER, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return -1
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _end_server(data: Path) -> None:
    """End the postmaster of a data directory whose owner is dead, by SIGQUIT and if need be by SIGKILL."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return
    for sent, patience in ((signal.SIGQUIT, QUIT_TIMEOUT_S), (signal.SIGKILL, 1.0)):
        if pid <= 1 or not _is_server_of(pid, data):
            return
        with suppress(OSError):
            os.kill(pid, sent)
            os.kill(pid, signal.SIGCONT)  # a stopped one would hear nothing else
        deadline = time.monotonic() + patience
        while _is_server_of(pid, data) and time.monotonic() < deadline:
            time.sleep(0.01)


def _is_server_of(pid: int, data: Path) -> bool:
    """Whether this process serves that data directory, and is not a stranger who got the number later."""
    if sys.platform == "linux":
        try:
            # Empty for a zombie.
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return os.fsencode(data) in arguments
    listed = subprocess.run(
        ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False, timeout=10
    )
    return str(data) in listed.stdout
