"""Which file configures a folder."""

from __future__ import annotations

import os
import tomllib
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
    `UsageError` for the file of a stranger."""
    start = start.resolve()
    for folder in _upwards(start):
        for file, ours in ((folder / OWN, _is_file), (folder / SHARED, _has_our_table)):
            if ours(file):
                _require_trusted(file, start)
                return file
    return None


def _upwards(start: Path) -> Iterator[Path]:
    for folder in (start, *start.parents):
        yield folder
        if _exists(folder / ".git"):
            return


def _require_trusted(file: Path, start: Path) -> None:
    """A file may name programs to run and servers to connect to. So nobody is configured by what a stranger has put
    above the folder of a project, into /tmp say. Raises `UsageError`."""
    if file.stat().st_uid not in {0, os.geteuid(), start.stat().st_uid}:
        what = "belongs to another user: name it by --config to have it, or give --no-config"
        raise UsageError(f"{os.path.relpath(file)}: {what}")


def _has_our_table(file: Path) -> bool:
    """One that does not even name us is none of our business, whatever is wrong with it. Raises `UsageError`."""
    try:
        content = file.read_bytes() if _is_file(file) else b""
    except OSError:
        return False
    if TABLE[-1].encode() not in content:
        return False
    try:
        tool = tomllib.loads(content.decode()).get(TABLE[0])
    except (ValueError, RecursionError):
        return True  # whoever reads it tells what is wrong, and where
    return isinstance(tool, dict) and TABLE[-1] in tool


def _is_file(path: Path) -> bool:
    return _exists(path) and path.is_file()


def _exists(path: Path) -> bool:
    """False as well where a folder above is closed to us: what is there was not meant for us."""
    try:
        return path.exists()
    except OSError:
        return False
