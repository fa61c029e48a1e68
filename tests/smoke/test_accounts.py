"""As a plain user and as root; the clone and its Python may be closed to everybody else, so both are copied."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from plain_python import PlainPython, copied_python

ROOT = Path(__file__).parents[2]
PLAIN = "games"
"""A user of every distribution, who is not the one that a server of root's runs under."""
_NEVER_RUN = shutil.ignore_patterns("mypy", "mypyc", "ruff", "playwright", "pip", "*.dist-info", "__pycache__", "tests")


@pytest.fixture(scope="session")
def everybodys(place: Path) -> PlainPython:
    """A Python with all packages, and beside them the harness with its scenarios, which every account may run."""
    python = copied_python(place / "python")
    packages = place / "python" / "packages"
    shutil.copytree(sysconfig.get_path("purelib"), packages, ignore=_NEVER_RUN, dirs_exist_ok=True)
    for name in ("harness", "scenarios", "sql"):
        shutil.copytree(ROOT / name, packages / name, dirs_exist_ok=True)
    return python


@pytest.mark.skipif(os.geteuid() != 0, reason="whoever is not root runs everything as a plain user anyway")
def test_a_plain_user_runs_checks_and_soaks(everybodys: PlainPython, place: Path) -> None:
    home = place / "home"
    home.mkdir()
    shutil.chown(home, PLAIN)

    def harness(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [everybodys.program, "-m", "harness", *arguments], user=PLAIN, group="nogroup", extra_groups=(), cwd=home,
            env={"PATH": os.environ["PATH"], "HOME": str(home), **everybodys.environment},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    for code, command in (
        (0, ("doctor",)),
        (0, ("run", "two_terminals")),
        (0, ("soak", "--operations", "60", "--workers", "3", "--users", "5")),
        (0, ("doctor", "--clean")),
    ):
        done = harness(*command)
        assert done.returncode == code, done.stdout + done.stderr
