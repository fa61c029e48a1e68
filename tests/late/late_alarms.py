"""A plugin of pytest's: alarms of servers that are started here ring late, as they do where a hypervisor takes the
processor away. PostgreSQL looks for deadlocks by such an alarm. Needs Linux and a C compiler."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness.targets import launch

SOURCE = Path(__file__).with_suffix(".c")
_made = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    folder = Path(tempfile.mkdtemp())
    config.stash[_made] = folder
    folder.chmod(0o755)  # the server runs under another account
    library = folder / "late_alarms.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    usual = launch.environment
    launch.environment = lambda: {**usual(), "LD_PRELOAD": str(library)}


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[_made])
