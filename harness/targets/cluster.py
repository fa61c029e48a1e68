"""Fresh data directories: made by initdb once, kept in the cache, copied for every server."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from harness.errors import TargetError
from harness.targets.account import Account
from harness.targets.binaries import Binaries
from harness.targets.places import locked

_OPTIONS = (
    "--no-sync",
    "--auth=trust",  # whoever may enter the run folder may connect, and that is the account and root
    "--username=postgres",
    "--encoding=UTF8",
    "--locale=C",
    "--wal-segsize=4",
)


def fresh_data_directory(destination: Path, binaries: Binaries, account: Account, *, cache: Path) -> bool:
    """Make ``destination`` a data directory owned by ``account``; whether it came from the cache.

    ``destination`` must not exist, its parent must be writable by the account. Where the cache cannot be used (it
    cannot be written, the account cannot read it, no locks on that file system) initdb runs at ``destination`` itself.
    Raises `TargetError`.
    """
    try:
        return _from_cache(destination, binaries, account, cache)
    except (OSError, TargetError):
        shutil.rmtree(destination, ignore_errors=True)
        new_data_directory(destination, binaries, account)
        return False


def new_data_directory(destination: Path, binaries: Binaries, account: Account) -> None:
    """As `fresh_data_directory`, by initdb and without a look at the cache."""
    account.run([binaries.folder / "initdb", "-D", destination, *_options(binaries)])


def forget(binaries: Binaries, account: Account, *, cache: Path) -> None:
    """Remove the cached data directory: a server did not start from its copy, but did from a new one."""
    with locked(cache, exclusive=True):
        shutil.rmtree(cache / _key(binaries, account), ignore_errors=True)


def _from_cache(destination: Path, binaries: Binaries, account: Account, cache: Path) -> bool:
    kept = cache / _key(binaries, account)
    with locked(cache, exclusive=False):
        if kept.is_dir():
            _copy(kept, destination, account)
            return True
    with locked(cache, exclusive=True):
        if not kept.is_dir():
            _build(kept, binaries, account, cache)
        _copy(kept, destination, account)
    return True


def _build(kept: Path, binaries: Binaries, account: Account, cache: Path) -> None:
    # Only the holder of the exclusive lock makes these, so any that exist are of builders that died.
    for leftover in cache.glob("tmp-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=cache) as temporary:
        account.give(Path(temporary))
        unfinished = Path(temporary) / "data"
        new_data_directory(unfinished, binaries, account)
        unfinished.rename(kept)  # only a complete one ever has the name


def _copy(kept: Path, destination: Path, account: Account) -> None:
    # By cp, under the account: three times as fast as shutil, and everything has the right owner at once.
    account.run(["/bin/cp", "-R", kept, destination])


def _options(binaries: Binaries) -> tuple[str, ...]:
    # On by default since 18, and off is the only choice before.
    return (*_OPTIONS, "--no-data-checksums") if binaries.major >= 18 else _OPTIONS


def _key(binaries: Binaries, account: Account) -> str:
    """One entry per server build (the folder tells two builds of one version apart), options and owner."""
    text = "\0".join((str(binaries.folder), *_options(binaries), str(account.uid), os.uname().machine))
    return f"data-{binaries.version}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
