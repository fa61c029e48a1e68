"""A project's configuration in force: what runs do with it, and what they never do."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from projects import run_pytest

from harness.cli.entry import run_command

ROOT = Path(__file__).parents[2]
LOST = """\
# yaml-language-server: $schema=refund-harness.schema.json
version: 1
name: lost_update
install: [counter.sql]
workers:
  one: {statements: [&read "SELECT n FROM counter", &write "UPDATE counter SET n = 1"]}
  two: {statements: [*read, *write, "UPDATE counter SET n = n + 1"]}
orders: [all]
invariants: [two_or_more.sql]
"""
PAYS = """\
CREATE TABLE wallet (id text PRIMARY KEY, credit int NOT NULL);
INSERT INTO wallet VALUES ('w', 1);
CREATE FUNCTION spend(p text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT credit FROM wallet WHERE id = p) < 1 THEN RETURN false; END IF;
  UPDATE wallet SET credit = credit - 1 WHERE id = p;
  RETURN true;
END $$;
"""
MEASURED = r'"(elapsed_s|seconds_to_first_violation)": [0-9.]+'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a scenario whose race shows in most orders, and SQL of its own."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "src").mkdir()
    scenarios = tmp_path / "concurrency"
    scenarios.mkdir()
    (scenarios / "lost_update.yaml").write_text(LOST)
    (scenarios / "counter.sql").write_text("CREATE TABLE counter (n int); INSERT INTO counter VALUES (0);")
    (scenarios / "two_or_more.sql").write_text(
        "-- A row means: an increment was lost.\nSELECT n FROM counter WHERE n < 2;"
    )
    (tmp_path / "wallet.sql").write_text(PAYS)
    return tmp_path


Harness = Callable[..., SimpleNamespace]


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Harness:
    """``harness(cwd, *arguments, **environment)`` does what the program does; its exit code and what it printed."""
    for name in [name for name in os.environ if name.startswith("REFUND_HARNESS_")]:
        monkeypatch.delenv(name)

    def run(cwd: Path, *arguments: str, **environment: str) -> SimpleNamespace:
        with monkeypatch.context() as there:
            there.chdir(cwd)
            for name, value in environment.items():
                there.setenv(name, value)
            code = run_command([*arguments])
        said = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=said.out, stderr=said.err)

    return run


def results(folder: Path) -> Any:
    """Without what no two runs share."""
    text = re.sub(MEASURED, r'"\1": 0', (folder / "latest" / "results.json").read_text())
    return json.loads(re.sub(r'"[^"]*/\d{8}T\d{6}Z-[0-9a-f]{4}/', '"RUN/', text))


def test_a_run_anywhere_in_the_project_has_its_defaults_and_says_of_another_major_version(
    project: Path, harness: Harness
) -> None:
    (project / "harness.toml").write_text(
        'scenarios = "concurrency"\nout = "shown"\nseed = 7\nstrategy = "random_walk"\nserver_major = 15\n'
    )
    done = harness(project / "src", "run", "-v")
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("configuration ../harness.toml\nPostgreSQL ")
    [warning] = done.stderr.splitlines()
    assert re.fullmatch(r"harness: warning: this is PostgreSQL 18\S*, and \.\./harness\.toml expects 15: .+", warning)

    found = results(project / "shown")
    assert (found["seed"], found["scenarios"][0]["strategy"]) == (7, "random_walk")
    assert found["scenarios"][0]["file"] == "../concurrency/lost_update.yaml"
    assert found.pop("warnings") == [warning.removeprefix("harness: warning: ")]
    assert "expects 15" in (project / "shown" / "latest" / "index.html").read_text()

    asked = ["../concurrency", "--seed", "7", "--strategy", "random_walk", "--out", "../asked"]
    same = harness(project / "src", "run", *asked, "--no-config")
    assert (same.returncode, same.stderr) == (1, "")
    assert results(project / "asked") == found  # the file adds nothing to what can be typed

    rebuilt = harness(project / "src", "report", "--json", "again.json")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert json.loads((project / "src" / "again.json").read_text())["warnings"]


def test_what_is_typed_or_set_for_the_machine_wins(project: Path, harness: Harness) -> None:
    (project / "harness.toml").write_text('scenarios = "none"\nseed = 7\nout = "one"\ntarget = "container"\n')
    typed = ["concurrency/lost_update.yaml", "--target", "embedded", "-q"]
    done = harness(project, "run", *typed, REFUND_HARNESS_SEED="8", REFUND_HARNESS_OUT="two")
    assert done.stderr == "harness: harness.toml:1:1: 'scenarios': there is no file or folder none\n"
    (project / "harness.toml").write_text('scenarios = "concurrency"\nseed = 7\nout = "one"\ntarget = "container"\n')
    done = harness(project, "run", *typed, REFUND_HARNESS_SEED="8", REFUND_HARNESS_OUT="two")
    assert (done.returncode, done.stderr) == (1, "")
    assert results(project / "two")["seed"] == 8
    assert not (project / "one").exists()


def test_a_scenario_is_found_by_its_name_in_the_project_s_folders(project: Path, harness: Harness) -> None:
    (project / "harness.toml").write_text('scenarios = ["concurrency"]\n')
    done = harness(project / "src", "list", "lost_update")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("lost_update ")


def test_a_replay_does_what_was_saved_whatever_is_configured(project: Path, harness: Harness) -> None:
    made = harness(project, "run", "concurrency", "-q")
    assert made.returncode == 1
    [saved] = (project / "reports" / "latest").glob("*.schedule")
    plain = harness(project, "replay", str(saved))
    (project / "harness.toml").write_text(
        'scenarios = "src"\nseed = 99\nstrategy = "pct"\nschedules = 1\nserver_major = 15\nbudget = 0\n'
        '[run]\nfaults = "all"\nisolation = "all"\n'
    )
    configured = harness(project, "replay", str(saved))
    assert (configured.returncode, configured.stdout, configured.stderr) == (1, plain.stdout, plain.stderr)
    assert "reproduced 1 of 1" in configured.stdout


def test_a_check_installs_the_project_s_sql(project: Path, harness: Harness) -> None:
    (project / "pyproject.toml").write_text(
        '[tool.refund-harness]\nsql = ["wallet.sql"]\n[tool.refund-harness.check]\nworkers = 2\n'
    )
    done = harness(project / "src", "check", "--call", "SELECT spend('w')")
    assert done.returncode == 1, done.stderr
    assert "../wallet.sql installed · 2 workers" in done.stdout
    spent = harness(project / "src", "mutants", "no_such_mutant")  # which is not about the project's SQL
    assert spent.returncode == 2
    assert "no_such_mutant" in spent.stderr
    assert "--sql" not in spent.stderr


def test_a_soak_ends_by_what_is_typed(project: Path, harness: Harness) -> None:
    (project / "harness.toml").write_text("[soak]\nseconds = 600\nworkers = 2\nfaults = []\n")
    done = harness(project, "soak", "--operations", "2", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    both = harness(project, "soak", "--operations", "2", "--seconds", "1")
    assert (both.returncode, both.stderr) == (
        2, "harness: --seconds and --operations: give one of them, the soak ends by it\n",
    )  # fmt: skip


def test_an_audit_has_a_target_of_its_own(project: Path, harness: Harness) -> None:
    (project / "harness.toml").write_text('target = "embedded"\n[audit]\ntarget = "env:LEDGER"\n')
    done = harness(project, "audit", REFUND_HARNESS_TARGET="container")
    assert done.returncode == 2
    assert "env:LEDGER" in done.stderr
    (project / "harness.toml").write_text('target = "embedded"\n')
    assert "--target" in harness(project, "audit").stderr  # is missing


def test_a_doctor_names_the_file(project: Path, harness: Harness) -> None:
    (project / "harness.toml").write_text('pg-bin = "bin"\n')
    done = harness(project / "src", "doctor")
    assert (done.returncode, done.stderr) == (2, "harness: ../harness.toml:1:1: 'pg-bin': there is no folder ../bin\n")
    (project / "harness.toml").write_text("seed = 1\n")
    assert "✓ config       ../harness.toml\n" in harness(project / "src", "doctor").stdout


# pytest


def said_by_pytest(cwd: Path, *arguments: str) -> str:
    """What it prints."""
    program = ("-p", "no:randomly", "-p", "no:cacheprovider")
    return run_pytest(cwd, *program, *arguments, PYTHONPATH=str(ROOT)).stdout


def test_test_items_have_the_same_configuration(project: Path) -> None:
    """One schedule is too few for workers to overlap."""
    (project / "harness.toml").write_text("schedules = 1\nserver_major = 15\n")
    said = said_by_pytest(project / "src", "../concurrency")
    assert "lost_update: inconclusive" in said
    assert "PytestWarning: this is PostgreSQL 18" in said
    assert "harness.toml expects 15" in said
    said = said_by_pytest(project / "src", "../concurrency", "--harness-schedules", "50")
    assert "lost_update: violation" in said
    assert "PytestWarning" in said


def test_from_outside_it_is_the_one_of_pytest_s_root(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.pytest.ini_options]\n[tool.refund-harness]\nscedules = 1\n")
    said = said_by_pytest(Path("/"), str(project / "concurrency"))
    assert "pyproject.toml:3:1: unknown key 'scedules'; did you mean 'schedules'?" in said
    assert "Traceback" not in said
    said = said_by_pytest(
        Path("/"), str(project / "concurrency"), "--harness-no-config", "--harness-target", "elsewhere"
    )
    assert "--target 'elsewhere' is not supported" in said
