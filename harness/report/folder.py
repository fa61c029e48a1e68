"""The folders of runs under `reports/`: a new one per run, `latest` pointing to the last, old ones removed."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import UsageError
from harness.files import write_atomically
from harness.machine import lives

KEEP_RUNS = 20
MARKER = ".refund-harness-run"
LATEST = "latest"
_NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
_POINTER = f"{LATEST}.txt"
_COMPLETE = "complete"
_ABANDONED_S = 24 * 3600.0


def new_run_folder(out: Path) -> Path:
    """Create `out/<UTC timestamp>-<4 hex>` (names sort by time) with our marker in it.

    Raises `UsageError` when `out` cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        while True:
            folder = out / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
            with suppress(FileExistsError):
                folder.mkdir()
                break
        (folder / MARKER).write_text(f"running {os.getpid()} {socket.gethostname()}\n")
    except OSError as error:
        raise UsageError(
            f"cannot write reports to {out}: {error.strerror or error} (choose another with --out)"
        ) from error
    return folder


def discard_unless_saved(folder: Path) -> None:
    """Remove a run folder in which no schedule was saved, and its parent if nothing else is there. Never raises."""
    if not any(folder.glob("*.schedule")):
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # other runs lie there
            folder.parent.rmdir()


def publish(run_folder: Path) -> None:
    """Point `latest` beside `run_folder` to it and remove the oldest runs, so that `KEEP_RUNS` stay.

    Removed is only what bears our name pattern and our marker, complete or left over by a run that was killed; a run
    still going on is left alone. Where symbolic links fail, `latest.txt` holds the folder's name.
    """
    write_atomically(run_folder / MARKER, f"{_COMPLETE}\n".encode())
    _point(run_folder)
    _prune(run_folder)


def latest(path: Path) -> Path:
    """A run folder that was published, or a file in one, by the name `latest`; as it is where there is no such link."""
    folder = path if (path / MARKER).is_file() else path.parent
    found = folder.with_name(LATEST) / path.relative_to(folder)
    return found if found.exists() else path


def run_places(folder: Path) -> Iterator[Path]:
    """Where the files of a run may lie, when somebody names ``folder``: it is one, or a folder of reports."""
    yield folder
    yield folder / LATEST
    pointer = folder / _POINTER  # where there are no symbolic links
    if pointer.is_file():
        yield folder / Path(pointer.read_text(encoding="utf-8", errors="replace").strip()).name


def _point(run_folder: Path) -> None:
    draft = run_folder.with_name(f".latest-{secrets.token_hex(4)}")
    try:
        draft.symlink_to(run_folder.name, target_is_directory=True)
        draft.replace(run_folder.with_name(LATEST))
    except OSError:
        # No symbolic links here, or somebody's own folder is called `latest`: it stays.
        write_atomically(run_folder.with_name(_POINTER), f"{run_folder.name}\n".encode())
    finally:
        draft.unlink(missing_ok=True)


def _prune(run_folder: Path) -> None:
    runs = sorted((entry for entry in run_folder.parent.iterdir() if _is_run(entry)), reverse=True)
    for folder in runs[KEEP_RUNS:]:
        if folder.name != run_folder.name and not _going_on(folder):
            _remove(folder)


def _is_run(entry: Path) -> bool:
    if not _NAME.fullmatch(entry.name) or entry.is_symlink() or not entry.is_dir():
        return False
    marker = entry / MARKER
    return marker.is_file() and not marker.is_symlink()


def _going_on(folder: Path) -> bool:
    """Whether a run may still be writing here: its process lives, or it is of another machine and not a day old."""
    try:
        marker = folder / MARKER
        state, *owner = marker.read_text().split()
        if state != "running":
            return False
        pid, host = owner
        if host != socket.gethostname():
            return time.time() - marker.stat().st_mtime < _ABANDONED_S
        return lives(int(pid))
    except (OSError, ValueError) as error:
        return isinstance(error, PermissionError)  # somebody else's


def _remove(folder: Path) -> None:
    """Remove a run; the marker goes last, so that a removal cut short is finished by the next one."""
    with suppress(OSError):  # another run may be removing the same folder
        for entry in folder.iterdir():
            if entry.name == MARKER:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
        (folder / MARKER).unlink(missing_ok=True)
        folder.rmdir()
