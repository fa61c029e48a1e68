"""The example project of docs/python.md, as somebody would have it: its own pytest, its own processes."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.pytest_harness import TestHarness
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

EXAMPLE = Path(__file__).parents[2] / "docs" / "example"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return shutil.copytree(EXAMPLE, tmp_path / "example", ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))


def run_pytest(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "harness.pytest_plugin", "-q", *arguments],
        cwd=project,
        # As lean as a project's pytest may be: whatever else is installed here has no part in this.
        env={**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_bug_in_the_application_is_shown_and_replayed(project: Path) -> None:
    code = project / "shop" / "refunds.py"
    code.write_text(code.read_text().replace('" FOR UPDATE"', '""'))
    done = run_pytest(project)
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr  # the other one is known to be bad
    said = [line.removeprefix("E").strip() for line in done.stdout.splitlines()]
    assert "paid_back_once: alice has 6000 and should have 5000" in said
    assert any(re.match(r"T\d+ +select_orders → owner=alice,", line) for line in said), done.stdout
    assert any(line.startswith("why     web read orders.status at T") for line in said)
    [again] = [line for line in said if line.startswith("again   pytest ")]

    repeated = run_pytest(project, *shlex.split(again.removeprefix("again   pytest ")))
    assert repeated.returncode == 1, repeated.stdout + repeated.stderr
    assert "were violated at schedule 1 of 1." in repeated.stdout


def test_the_example_as_it_is_holds(
    request: pytest.FixtureRequest, target: EmbeddedTarget, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(EXAMPLE)
    tests = runpy.run_path(str(EXAMPLE / "tests" / "test_refunds.py"))
    here = TestHarness("tests/test_refunds.py::test_it", request.config, target, databases, lambda _: None)
    tests["test_an_order_is_paid_back_once"](here)
