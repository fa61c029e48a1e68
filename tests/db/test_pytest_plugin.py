"""Scenario files as test items of somebody's own pytest run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from projects import run_pytest

ROOT = Path(__file__).parents[2]
GOOD = (ROOT / "scenarios" / "double_workers.yaml").read_text()
BAD = """\
# yaml-language-server: $schema=refund-harness.schema.json
version: 1
name: lost_update
install: [counter.sql]
workers:
  one: {statements: [&read "SELECT n FROM counter", &write "UPDATE counter SET n = 1"]}
  two: {statements: [*read, *write, "UPDATE counter SET n = n + 1"]}
orders:
  - [two.select, two.update, one.select, two.update_2, one.update]
  - all
invariants: [two_or_more.sql]
"""

PLAIN = ("-p", "no:randomly")
OWN = """\
TABLE = "CREATE TABLE t (n int); INSERT INTO t VALUES (0)"

def test_own(refund_harness):
    refund_harness.assert_holds(calls=["UPDATE t SET n = n + 1"] * 2, setup=TABLE)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "double.yaml").write_text(GOOD)
    (tmp_path / "lost_update.yaml").write_text(BAD)
    (tmp_path / "counter.sql").write_text("CREATE TABLE counter (n int); INSERT INTO counter VALUES (0);")
    (tmp_path / "two_or_more.sql").write_text(
        "-- A row means: an increment was lost.\nSELECT n FROM counter WHERE n < 2;"
    )
    (tmp_path / "broken.yaml").write_text(BAD.replace("workers:", "wokers:"))
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    (tmp_path / "test_own.py").write_text(OWN)
    return tmp_path


def test_scenarios_run_beside_tests_on_two_processes(project: Path) -> None:
    (project / "broken.yaml").unlink()
    done = run_pytest(project, *PLAIN, "-n", "2")
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    assert "1 failed" in done.stdout
    assert "lost_update: violation" in done.stdout


def test_a_failing_item_prints_the_timeline_and_a_replay_command_that_works(project: Path) -> None:
    done = run_pytest(project, *PLAIN, "lost_update.yaml")
    assert "two_or_more: an increment was lost" in done.stdout
    assert "T0" in done.stdout
    again, *_ = [line for line in done.stdout.splitlines() if line.startswith("again")]  # CI shows it twice
    command = again.split("harness ", 1)[1].split()
    replayed = subprocess.run(
        [sys.executable, "-m", "harness", *command],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert replayed.returncode == 1, replayed.stdout + replayed.stderr
    assert "reproduced 1 of 1" in replayed.stdout


def test_a_malformed_scenario_fails_with_its_place_and_no_traceback(project: Path) -> None:
    done = run_pytest(project, *PLAIN, "broken.yaml")
    assert "broken.yaml:5:1: unknown key 'wokers'; did you mean 'workers'?" in done.stdout
    assert "Traceback" not in done.stdout


def test_collecting_imports_nothing_heavy(project: Path) -> None:
    (project / "conftest.py").write_text(
        "import sys\ndef pytest_collection_finish():\n"
        "    print('heavy:', {'psycopg', 'postgast', 'matplotlib'} & set(sys.modules))\n"
    )
    done = run_pytest(project, *PLAIN, "--collect-only", "-s", "-q")
    assert "heavy: set()" in done.stdout
    assert "double.yaml::double" in done.stdout
    assert "compose" not in done.stdout


def test_a_schedule_of_a_test_that_is_not_there_says_so(project: Path) -> None:
    header = "scenario: x\nfile: test_other.py::test_it\nhash: -\nserver: 18\nseed: 0\norder: 0\nchecks: x\n"
    (project / "x.schedule").write_text(f"harness-schedule 1\n{header}\n")
    done = run_pytest(project, *PLAIN, "--harness-replay", "x.schedule", "test_own.py")
    assert done.returncode == 4
    assert "--harness-replay x.schedule: its test test_other.py::test_it is not among those collected" in done.stderr
