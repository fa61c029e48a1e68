"""What the harness is measured beside: found on this machine, or installed from Debian's and Python's packages.

isolationtester comes with postgresql-client-15 and pgbench with postgresql-15; Frontrun is put into a folder of its
own, so that nothing of it is among what the harness depends on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FRONTRUN = ROOT / ".venv" / "peers" / "frontrun"
_ISOLATIONTESTER = "usr/lib/postgresql/*/lib/pgxs/src/test/isolation/isolationtester"
_PGBENCH = "usr/lib/postgresql/*/bin/pgbench"


@cache
def isolationtester() -> Path | None:
    """PostgreSQL's own program."""
    return _program(_ISOLATIONTESTER, "postgresql-client-15")


@cache
def pgbench() -> Path | None:
    return _program(_PGBENCH, "postgresql-15")


@cache
def frontrun() -> Path | None:
    """The folder to import it from."""
    if not (FRONTRUN / "frontrun").is_dir():
        _quietly(sys.executable, "-m", "pip", "install", "--target", str(FRONTRUN), "frontrun[sql]")
    return FRONTRUN if (FRONTRUN / "frontrun").is_dir() else None


def _program(pattern: str, package: str) -> Path | None:
    if not any(Path("/").glob(pattern)) and os.geteuid() == 0 and shutil.which("apt-get"):
        _quietly("apt-get", "update")
        _quietly("apt-get", "install", "-y", "--no-install-recommends", package)
    return max(Path("/").glob(pattern), default=None)


def _quietly(*command: str) -> None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive", **os.environ}
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=quiet)
