"""The command line as people's CI sees it: exit codes, files, one clear line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from commands import harness

from harness.report.results import SCHEMA_FILE

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "scenarios"
PROMISED_RUN = ["version", "verdict", "seed", "server_version", "elapsed_s", "scenarios"]
PROMISED_SCENARIO = {
    "name", "file", "verdict", "observed", "expect", "strategy", "schedules", "exhausted", "meaning", "elapsed_s",
    "schedules_to_first_violation", "seconds_to_first_violation", "violations",
}  # fmt: skip
QUICK = ["legacy_double_refund", "double_workers", "mixed_fleet", "crash_mid_refund"]
NO_LOCK = """\
CREATE OR REPLACE FUNCTION refund_job_atomic(p_job_id text, p_user_id uuid, p_amount integer, p_error_message text)
RETURNS jsonb LANGUAGE sql SECURITY DEFINER SET search_path = public AS
$$ SELECT refund_balance_atomic(p_user_id, p_amount, 'again and again', jsonb_build_object('job_id', p_job_id)) $$;
"""


def without_times(text: str) -> Any:
    text = re.sub(r'"(elapsed_s|seconds_to_first_violation)": [0-9.]+', r'"\1": 0', text)
    return json.loads(re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{4}", "RUN", text))


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A scenario whose function pays whoever asks."""
    (tmp_path / "pays.sql").write_text(NO_LOCK)
    text = (SCENARIOS / "double_workers.yaml").read_text()
    text = text.replace("name: double_workers", "name: pays_twice\ninstall: [migrations, pays.sql]")
    path = tmp_path / "pays_twice.yaml"
    path.write_text(text.split("orders:")[0] + "orders: [all]\n")
    return path


def test_green_is_0_and_the_promised_files_are_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = harness(
        "run",
        *QUICK,
        "--out",
        str(out),
        "--json",
        str(tmp_path / "r.json"),
        "--junit",
        str(tmp_path / "r.xml"),
        fresh=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads((out / "latest" / "results.json").read_text())
    assert list(found) == PROMISED_RUN
    assert (found["version"], found["verdict"], found["seed"]) == (1, "pass", 0)
    assert all(set(s) >= PROMISED_SCENARIO for s in found["scenarios"])
    assert json.loads((tmp_path / "r.json").read_text()) == found
    assert len(ET.parse(tmp_path / "r.xml").getroot().findall(".//testcase")) == len(QUICK)
    legacy = found["scenarios"][0]
    assert (legacy["observed"], legacy["verdict"], legacy["expect"]) == ("violation", "pass", ["one_refund_per_job"])
    names = {p.name for p in (out / "latest").iterdir()}
    assert {"index.html", "legacy_double_refund-1.schedule", "legacy_double_refund-1.history.jsonl",
            "legacy_double_refund-1.png", "double_workers.history.jsonl"} <= names  # fmt: skip
    for line in (out / "latest" / "double_workers.history.jsonl").read_text().splitlines():
        assert json.loads(line)["kind"]


def test_a_violation_is_1_and_fits_a_screen(broken: Path, tmp_path: Path) -> None:
    done = harness("run", str(broken), "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert len(lines) <= 26
    assert any(re.match(r"T0 +BEGIN", line) for line in lines)
    assert "one_refund_per_job" in done.stdout
    [again] = [line for line in lines if line.startswith("again")]
    replayed = harness(*again.split("harness ", 1)[1].split(), cwd=tmp_path, fresh=True)
    assert replayed.returncode == 1
    assert "reproduced 1 of 1" in replayed.stdout
    (tmp_path / "pays.sql").write_text("SELECT 'mended';")
    replayed = harness(*again.split("harness ", 1)[1].split(), cwd=tmp_path)
    assert replayed.returncode == 0
    assert "not reproduced (adapted" in replayed.stdout


def test_an_expected_violation_that_does_not_come_is_1(tmp_path: Path) -> None:
    path = tmp_path / "too_good.yaml"
    text = (SCENARIOS / "double_workers.yaml").read_text().replace("name: double_workers", "name: too_good")
    path.write_text(text + "expect:\n  violation: deadlock\n")
    done = harness("run", str(path), "--out", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "deadlock" in done.stdout


def test_nothing_overlapping_is_3(tmp_path: Path) -> None:
    path = tmp_path / "one_alone.yaml"
    text = (SCENARIOS / "double_workers.yaml").read_text().split("  retry:")[0]
    path.write_text(text.replace("name: double_workers", "name: one_alone") + "orders: [all]\n")
    done = harness("run", str(path), "--out", str(tmp_path / "out"))
    assert done.returncode == 3
    assert "overlap" in done.stdout


def test_a_guarantee_not_reached_is_3(tmp_path: Path) -> None:
    out = ["--out", str(tmp_path)]
    assert harness("run", "double_workers", "--require", "exhausted", *out).returncode == 0
    assert harness("run", "double_workers", "--require", "exhausted", "--schedules", "5", *out).returncode == 3


def test_a_budget_that_is_over_is_said(tmp_path: Path) -> None:
    done = harness("run", "double_workers", "--budget", "0", "--out", str(tmp_path))
    assert done.returncode == 3
    assert "Not reached within the budget" in done.stdout


def test_an_environment_that_fails_is_4(tmp_path: Path) -> None:
    done = harness("run", "double_workers", "--target", "env:DSN", "--out", str(tmp_path / "out"),
                   DSN="postgresql://nobody:s3cret@127.0.0.1:1/x")  # fmt: skip
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert "s3cret" not in done.stdout + done.stderr
    assert not list((tmp_path / "out").glob("2*"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--no-such-option"], "No such option"),
        (["run", "doubel_workers"], "did you mean 'double_workers'"),
        (["run", "double_workers", "--target", "mysql"], "embedded, container[:IMAGE], postgresql://"),
        (["run", "double_workers", "--strategy", "exhaustiv"], "did you mean 'exhaustive'"),
        (["run", "double_workers", "--require", "luck"], "--require: unknown 'luck'"),
        (["run", "double_workers", "--jobs", "many"], "--jobs takes a number"),
        (["run", "double_workers", "--schedules", "0"], "--schedules"),
        (["run", "double_workers", "double_workers"], "already used by"),
        (["run", "/proc/version"], "/proc/version:1:"),
        (["replay", "/nope.schedule"], "cannot be read"),
        (["replay", "README.md"], "README.md:1:1: not a saved schedule"),
        (["nonsense"], "nonsense"),
    ],
)
def test_bad_usage_is_2_and_one_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    extra = ["--out", str(tmp_path / "out")] if arguments[0] == "run" else []
    done = harness(*arguments, *extra)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert not list((tmp_path / "out").glob("2*"))


def test_sql_that_the_server_refuses_is_2_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "bad.sql").write_text("CREATE TABLE a (i int);\nSELECT * FROM\n  nowhere;\n")
    text = (SCENARIOS / "double_workers.yaml").read_text()
    (tmp_path / "s.yaml").write_text(text.replace("setup:", "install: [migrations, bad.sql]\nsetup:"))
    done = harness("run", str(tmp_path / "s.yaml"), "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert 'bad.sql:3:3: relation "nowhere" does not exist' in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_same_seed_gives_the_same_results_whatever_the_jobs(tmp_path: Path) -> None:
    found = []
    # Drawn faults have a test of their own, see test_fault_runs; of those that only make single calls, where nothing is
    # chosen, two are enough.
    without = {"fault_matrix", "bad_input", "row_security_forced", "row_security_owner_policy"}
    scenarios = sorted(str(p) for p in SCENARIOS.glob("*.yaml") if p.stem not in without)
    for jobs in ("1", "2"):
        path = tmp_path / f"{jobs}.json"
        done = harness("run", *scenarios, "--jobs", jobs, "--out", str(tmp_path / "out"), "--json", str(path),
                       fresh=jobs == "2")  # fmt: skip
        assert done.returncode == 0, done.stdout
        jsonschema.validate(json.loads(path.read_text()), json.loads(SCHEMA_FILE.read_text()))
        found.append(without_times(path.read_text()))
    assert found[0] == found[1]


def test_a_seed_decides_what_is_drawn(tmp_path: Path) -> None:
    text = (SCENARIOS / "double_workers.yaml").read_text().split("orders:")[0]
    (tmp_path / "drawn.yaml").write_text(text + "orders: [all]\n")
    common = [
        "run",
        str(tmp_path / "drawn.yaml"),
        "--strategy",
        "random_walk",
        "--schedules",
        "1",
        "--out",
        str(tmp_path),
    ]
    histories = []
    for seed, fresh in (("1", False), ("1", True), ("3", False)):
        assert harness(*common, "--seed", seed, fresh=fresh).returncode == 0
        lines = (tmp_path / "latest" / "double_workers.history.jsonl").read_text().splitlines()
        histories.append([(e["kind"], e.get("worker"), e.get("step")) for e in map(json.loads, lines)])
    assert histories[0] == histories[1]
    assert histories[0] != histories[2]


def test_the_legacy_violation_replays_100_of_100_and_adapts_when_the_sql_changes(tmp_path: Path) -> None:
    text = (SCENARIOS / "legacy_double_refund.yaml").read_text()
    (tmp_path / "legacy.yaml").write_text(text)
    assert harness("run", "legacy.yaml", cwd=tmp_path).returncode == 0
    saved = "reports/latest/legacy_double_refund-1.schedule"
    done = harness("replay", saved, "--times", "100", cwd=tmp_path)
    assert done.returncode == 1
    assert "reproduced 100 of 100" in done.stdout
    (tmp_path / "legacy.yaml").write_text(text.replace("amount: 1000", "amount: 900"))
    done = harness("replay", saved, cwd=tmp_path)
    assert done.returncode == 1
    assert "reproduced 1 of 1 (adapted" in done.stdout
    (tmp_path / "legacy.yaml").unlink()
    done = harness("replay", saved, cwd=tmp_path)
    assert done.returncode == 2
    assert "legacy.yaml is not here" in done.stderr


def test_list_doctor_schema() -> None:
    listed = harness("list", fresh=True)
    assert all(p.stem in listed.stdout for p in SCENARIOS.glob("*.yaml"))
    assert harness("doctor", fresh=True).returncode == 0
    assert json.loads(harness("schema", fresh=True).stdout)["title"] == "ScenarioSpec"


def test_plain_output_has_no_colours_and_a_closed_pipe_does_no_harm(tmp_path: Path) -> None:
    done = harness("run", "double_workers", "-v", "--out", str(tmp_path), NO_COLOR="1")
    assert "\x1b" not in done.stdout
    command = f"{sys.executable} -m harness run double_workers -v --out {tmp_path} | head -1; exit ${{PIPESTATUS[0]}}"
    piped = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert (piped.returncode, piped.stderr) == (0, "")
