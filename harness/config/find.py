"""Which file configures a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from harness.config.configuration import NOTHING, Configuration
from harness.errors import UsageError

OWN = "harness.toml"
SHARED = "pyproject.toml"
TABLE = ("tool", "refund-harness")


def configuration(start: Path, file: Path | None = None) -> Configuration:
    """What ``file`` says or, where none is named, what `find` finds for the folder ``start``. Raises `UsageError`: one
    line, with ``file:line:column``."""
    if file is None:
        file = find(start)
        if file is None:
            return NOTHING
    elif not file.is_file():
        raise UsageError(f"--config: there is no file {file}")
    from harness.config.read import read

    found = read(Path(os.path.relpath(file)), TABLE if file.name == SHARED else ())
    if found is None:
        raise UsageError(f"{file}: has no table [{'.'.join(TABLE)}]")
    return found


def find(start: Path) -> Path | None:
    """The file that configures ``start``: the first `harness.toml`, or pyproject.toml with our table, in it or above it
    up to the project's root (a folder with `.git` in it). In one folder `harness.toml` is the one. Raises
    `UsageError` for a pyproject.toml that may be ours, but is no TOML."""
    for folder in _upwards(start.resolve()):
        if (folder / OWN).is_file():
            return folder / OWN
        if _is_ours(folder / SHARED):
            return folder / SHARED
    return None


def _upwards(start: Path) -> Iterator[Path]:
    for folder in (start, *start.parents):
        yield folder
        if (folder / ".git").exists():
            return


def _is_ours(file: Path) -> bool:
    """Whether it has our table. One that does not even name us is none of our business, whatever is wrong with it."""
    if not file.is_file() or TABLE[-1].encode() not in file.read_bytes():
        return False
    from harness.config.read import read_document

    return read_document(Path(os.path.relpath(file)), TABLE) is not None
