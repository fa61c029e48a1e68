"""The example project of docs/python.md, as somebody would have it: its own pytest, its own processes."""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
from pathlib import Path

import pytest
from projects import run_pytest

from harness.pytest_harness import TestHarness
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

# As lean as a project's pytest may be: whatever else is installed here has no part in this.
LEAN = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
OURS = ("-p", "harness.pytest_plugin", "-q")
EXAMPLE = Path(__file__).parents[2] / "docs" / "example"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return shutil.copytree(EXAMPLE, tmp_path / "example", ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))


def test_a_bug_in_the_application_is_shown_and_replayed(project: Path) -> None:
    code = project / "shop" / "refunds.py"
    code.write_text(code.read_text().replace('" FOR UPDATE"', '""'))
    done = run_pytest(project, *OURS, **LEAN)
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr  # the other one is known to be bad
    said = [line.removeprefix("E").strip() for line in done.stdout.splitlines()]
    assert "paid_back_once: alice has 6000 and should have 5000" in said
    assert any(re.match(r"T\d+ +select_orders → owner=alice,", line) for line in said), done.stdout
    assert any(line.startswith("why     web read orders.status at T") for line in said)
    [again] = [line for line in said if line.startswith("again   pytest ")]

    repeated = run_pytest(project, *OURS, *shlex.split(again.removeprefix("again   pytest ")), **LEAN)
    assert repeated.returncode == 1, repeated.stdout + repeated.stderr
    assert "were violated at schedule 1 of 1." in repeated.stdout


def test_the_example_as_it_is_holds(
    request: pytest.FixtureRequest, target: EmbeddedTarget, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(EXAMPLE)
    tests = runpy.run_path(str(EXAMPLE / "tests" / "test_refunds.py"))
    here = TestHarness("tests/test_refunds.py::test_it", request.config, target, databases, lambda _: None)
    tests["test_an_order_is_paid_back_once"](here)
