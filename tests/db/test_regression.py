"""From a counterexample to a regression: red while the SQL has the fault, green once it was fixed, as people do it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from commands import Done, harness

from harness.api import assert_no_violation, run_scenario
from harness.errors import UsageError
from harness.model import Action, Verdict
from harness.scenario import load_scenario

ROOT = Path(__file__).parents[2]
REFUND = """\
CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, account int REFERENCES accounts, status text, amount int);
INSERT INTO accounts VALUES (1, 4000);
INSERT INTO jobs VALUES ('j1', 1, 'processing', 1000);
CREATE FUNCTION refund(p_job text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  j jobs;
BEGIN
  SELECT * INTO j FROM jobs WHERE id = p_job;
  IF j.status <> 'processing' THEN
    RETURN jsonb_build_object('success', false);
  END IF;
  UPDATE accounts SET balance = balance + j.amount WHERE id = j.account;
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
  RETURN jsonb_build_object('success', true);
END $$;
"""
FIXED = REFUND.replace(
    "  SELECT * INTO j FROM jobs WHERE id = p_job;",
    "  -- Whoever comes second waits here,\n  -- and reads what the first one wrote.\n"
    "  SELECT * INTO j FROM jobs WHERE id = p_job FOR UPDATE;",
)
ADAPTED = "1 followed schedule executed (adapted: the saved choices no longer fit exactly)"


def run(cwd: Path, *arguments: str) -> Done:
    if arguments[0] == "harness":
        return harness(*arguments[1:], cwd=cwd)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which a double refund was found, and kept in both forms."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "refund.sql").write_text(REFUND)
    call, invariant = ("--call", "SELECT refund('j1')"), "never_twice=SELECT * FROM accounts WHERE balance > 5000"
    found = run(
        folder, "harness", "check", "--sql", "refund.sql", *call, "--workers", "3", "--invariant", invariant, "-q"
    )
    assert (found.returncode, found.stderr) == (1, ""), found.stdout
    kept = ("--as-scenario", "kept/refund_race.yaml", "--as-pytest", "kept/test_refund.py")
    done = run(folder, "harness", "replay", "reports/latest/refund-1.schedule", *kept)
    assert (done.returncode, done.stderr) == (1, ""), done.stdout
    assert done.stdout.splitlines()[:6] == [
        "wrote kept/refund_race.yaml",
        "wrote kept/refund_race_sql (copied from the folder of the run: never_twice.sql)",
        "wrote kept/test_refund.py",
        "wrote kept/test_refund.yaml",
        "wrote kept/test_refund_sql (copied from the folder of the run: never_twice.sql)",
        "refund: reproduced 1 of 1",
    ]
    return folder


@pytest.fixture
def project(written: Path, tmp_path: Path) -> Path:
    """A copy of it; what it found lies in a folder of a run no more."""
    folder = tmp_path / "project"
    shutil.copytree(written, folder, symlinks=True)
    return folder


def strategy_and_meaning(path: Path) -> tuple[str, str, str]:
    [scenario] = json.loads(path.read_text())["scenarios"]
    return scenario["strategy"], scenario["meaning"], scenario["verdict"]


def test_the_scenario_is_red_until_the_sql_is_fixed(project: Path) -> None:
    shutil.rmtree(project / "reports")
    before = load_scenario(project / "kept" / "refund_race.yaml")
    assert [w.name for w in before.workers] == ["w1", "w2"]  # the third one was not needed
    options = ("--json", "r.json", "--junit", "r.xml", "-v")
    red = run(project, "harness", "run", "kept/refund_race.yaml", *options)
    assert red.returncode == 1, red.stdout + red.stderr
    strategy, meaning, verdict = strategy_and_meaning(project / "r.json")
    assert (strategy, verdict) == ("follow", "violation")
    assert meaning.startswith("never_twice and serial_equivalence were violated at schedule 1 of 1.")
    [failure] = ET.parse(project / "r.xml").iter("failure")
    assert failure.get("type") == "never_twice"
    assert "serial_equivalence" in (failure.text or "")
    [again] = [line for line in red.stdout.splitlines() if line.startswith("again")]
    replayed = run(project, "harness", *again.split("harness ", 1)[1].split())
    assert replayed.returncode == 1, replayed.stderr
    assert "reproduced 1 of 1\n" in replayed.stdout  # exactly: nothing had to be adapted

    (project / "refund.sql").write_text(FIXED)
    green = run(project, "harness", "run", "kept/refund_race.yaml", *options)
    assert (green.returncode, green.stderr) == (0, "")
    strategy, meaning, verdict = strategy_and_meaning(project / "r.json")
    assert (strategy, verdict) == ("follow", "pass")
    assert meaning.startswith(f"{ADAPTED} on PostgreSQL")
    listed = run(project, "harness", "list", "kept")
    assert listed.stdout.split("\n")[0].split() == ["refund_race", "2", "workers,", "follow"]


def test_the_pytest_module_is_red_until_the_sql_is_fixed_and_runs_once(project: Path) -> None:
    (project / "kept" / "refund_race.yaml").unlink()
    red = run(project, "pytest", "-q", "kept", "-p", "no:randomly", "-p", "no:xdist")
    assert red.returncode == 1, red.stdout + red.stderr
    assert "1 failed" in red.stdout
    assert "never_twice: the invariant never_twice is broken" in red.stdout
    assert "← broken" in red.stdout
    assert "harness/api.py" not in red.stdout  # the failure is told, not where it was raised
    [again] = [line for line in red.stdout.splitlines() if line.startswith("E") and "again   harness" in line]
    replayed = run(project, "harness", *again.split("harness ", 1)[1].split())
    assert "reproduced 1 of 1\n" in replayed.stdout, replayed.stderr

    (project / "refund.sql").write_text(FIXED)
    shutil.rmtree(project / "reports")
    green = run(project, "pytest", "-q", "kept", "-p", "no:randomly", "-p", "no:xdist")
    assert "1 passed" in green.stdout, green.stdout + green.stderr
    assert not (project / "reports").exists()


def test_files_are_written_though_the_violation_does_not_come_back(project: Path) -> None:
    (project / "refund.sql").write_text(FIXED)
    done = run(project, "harness", "replay", "reports/latest/refund-1.schedule", "--as-scenario", "late.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert "wrote late.yaml\n" in done.stdout
    assert "refund: not reproduced (adapted" in done.stdout
    assert load_scenario(project / "late.yaml").name == "late"


def test_what_is_no_scenario_is_not_overwritten_and_nothing_is_started(project: Path) -> None:
    (project / "compose.yaml").write_text("services: {}\n")
    done = run(project, "harness", "replay", "reports/latest/refund-1.schedule", "--as-scenario", "compose.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "harness: --as-scenario compose.yaml: this file is no scenario, and stays as it is\n"
    assert (project / "compose.yaml").read_text() == "services: {}\n"


def test_a_test_of_ones_own_may_ask_for_the_result(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    scenario = project / "kept" / "test_refund.yaml"
    result = run_scenario(scenario)
    assert (result.verdict, result.file, result.schedules) == (Verdict.VIOLATION, "kept/test_refund.yaml", 1)
    assert [c.replay for c in result.counterexamples] == [""]  # saved nowhere
    with pytest.raises(AssertionError, match=r"(?s)never_twice.*again   harness replay out/\S+/test_refund-1.schedule"):
        assert_no_violation(str(scenario), out="out")
    assert len(list(Path("out").glob("*/test_refund-1.schedule"))) == 1
    with pytest.raises(UsageError, match=r"kept/nobody\.yaml:1:1: cannot be read"):
        assert_no_violation("kept/nobody.yaml")


FAULTS = """\
# yaml-language-server: $schema=refund-harness.schema.json
version: 1
name: faults
install: [refund.sql]
workers:
  one: {statements: [BEGIN, "SELECT refund('j1')", COMMIT]}
  two: {statements: ["SELECT refund('j1')"]}
orders:
  - follow: [one.begin, one.select, two.select, "two.refund:5", one.commit: killed]
  - follow: [one.begin, two.select, "two.refund:5", two.kill, one.select]
"""


def test_faults_are_followed_too(project: Path) -> None:
    (project / "faults.yaml").write_text(FAULTS)
    result = run_scenario(project / "faults.yaml")
    # Two had read before one committed, and one did not live to read its answer.
    assert result.verdict is Verdict.VIOLATION, result.meaning
    [found] = result.counterexamples
    taken = [d.choice for d in found.execution.schedule.decisions]
    assert Action.LOSE in {c.action for c in taken}


def test_choices_between_statements_are_followed_there(project: Path) -> None:
    (project / "refund.sql").write_text(FIXED)
    order = "  - {follow: [one.begin, one.select, two.select, one.commit], points: statements}\n"
    (project / "plain.yaml").write_text(f"{FAULTS.split('orders:')[0]}orders:\n{order}")
    result = run_scenario(project / "plain.yaml")
    assert (result.verdict, result.schedules) == (Verdict.PASS, 1)
    assert "1 followed schedule executed on PostgreSQL" in result.meaning  # two waited, as it had to
    assert "nothing was interleaved inside a statement" in result.meaning
