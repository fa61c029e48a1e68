"""Two runs side by side: what turned red is 1, whatever else is said; what holds no results is refused in one line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import samples

from harness.cli.rebuilding import compared
from harness.errors import UsageError
from harness.model import RunResult, Verdict
from harness.report.compare import Change, Kind, compare
from harness.report.compare_table import comparison_markdown
from harness.report.results import results_json
from harness.report.results_read import ReadRun, read_results

Edit = Callable[[dict[str, Any]], None]
RED, GREEN, ERROR, NEITHER = (v.value for v in (Verdict.VIOLATION, Verdict.PASS, Verdict.ERROR, Verdict.INCONCLUSIVE))


def scenario(name: str, verdict: str = GREEN, *checks: str, **changes: Any) -> dict[str, Any]:
    violations = [{"check": c, "message": "m", "witness": [], "replay": ""} for c in checks]
    whole: dict[str, Any] = {
        "name": name, "file": f"{name}.yaml", "verdict": verdict, "observed": verdict, "expect": [],
        "strategy": "auto", "schedules": 9, "exhausted": verdict == GREEN, "meaning": "", "elapsed_s": 0.5,
        "schedules_to_first_violation": None, "seconds_to_first_violation": None, "violations": violations,
        "points": 4, "ordered_pairs": {"seen": 3, "possible": 8},
    }  # fmt: skip
    return whole | changes


def results(*scenarios: dict[str, Any], **changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "version": 1, "verdict": GREEN, "seed": 0, "server_version": "18.6", "elapsed_s": 2.0,
        "scenarios": list(scenarios),
    }  # fmt: skip
    return whole | changes


def changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Change]:
    found = compare(ReadRun.model_validate(old), ReadRun.model_validate(new))
    return {c.name: c for c in found.changes}


@pytest.mark.parametrize(
    ("old", "new", "kind", "worse"),
    [
        (GREEN, RED, Kind.RED, True),
        (NEITHER, RED, Kind.RED, True),
        (ERROR, RED, Kind.RED, True),
        (RED, ERROR, Kind.ERROR, True),
        (GREEN, ERROR, Kind.ERROR, True),
        (GREEN, NEITHER, Kind.INCONCLUSIVE, False),
        (RED, GREEN, Kind.GREEN, False),
        (RED, RED, Kind.SAME, False),
        (GREEN, GREEN, Kind.SAME, False),
        (None, GREEN, Kind.NEW, False),
        (None, NEITHER, Kind.NEW, False),
        (None, RED, Kind.NEW_RED, True),
        (None, ERROR, Kind.NEW_RED, True),
        (GREEN, None, Kind.GONE, False),
        (RED, None, Kind.GONE, False),
    ],
)
def test_what_became_of_a_scenario(old: str | None, new: str | None, kind: Kind, worse: bool) -> None:
    before, after = (results(*([scenario("s", v)] if v else [])) for v in (old, new))
    found = compare(ReadRun.model_validate(before), ReadRun.model_validate(after))
    [change] = found.changes
    assert (change.kind, found.worse) == (kind, worse)


def test_checks_come_and_go_with_where_they_were_violated() -> None:
    level = {"level": "serializable", "own": False, "violated": ["a"]}
    cells = [{"fault": "cancel", "checks": {"a": 1}}, {"fault": "cancel", "checks": {"a": 2}}]
    old = scenario("s", RED, "a", "b", isolation=[level | {"violated": []}], faults={"cells": cells[:0]})
    new = scenario("s", RED, "b", "c", isolation=[level, level | {"own": True}], faults={"cells": cells},
                   cases=[{"name": "anon", "checks": {"d": 1}}])  # fmt: skip
    change = changes(results(old), results(new))["s"]
    assert change.came == ("c", "a at serializable", "a under cancel", "d in anon")
    assert change.went == ("a",)
    assert change.kind is Kind.SAME, "red before, red now: what is violated first says nothing of what else is"
    assert change.differs


@pytest.mark.parametrize("edit", [{"schedules": 10}, {"exhausted": False}, {"points": 5}, {"points": None},
                                  {"ordered_pairs": {"seen": 4, "possible": 8}}])  # fmt: skip
def test_coverage_that_moved_differs_and_time_alone_does_not(edit: dict[str, Any]) -> None:
    old = results(scenario("s"))
    assert changes(old, results(scenario("s", **edit)))["s"].differs
    assert changes(old, results(scenario("s", **edit)))["s"].less == (edit == {"exhausted": False})
    assert not changes(old, results(scenario("s", elapsed_s=99)))["s"].differs


def test_several_of_one_name_are_matched_in_their_order() -> None:
    old = results(scenario("s"), scenario("s", RED))
    found = compare(ReadRun.model_validate(old), ReadRun.model_validate(results(scenario("s", RED), scenario("s"))))
    assert [c.kind for c in found.changes] == [Kind.RED, Kind.GREEN]


def written(folder: Path, name: str, value: object) -> Path:
    path = folder / name
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def test_the_table_the_file_and_the_job_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = results(scenario("kept"), scenario("paid", strategy="pct"), scenario("mended", RED, "once"),
                  scenario("dropped"), scenario("shorter"))  # fmt: skip
    new = results(
        scenario("kept", elapsed_s=7), scenario("paid", RED, "once", schedules=1204), scenario("mended"),
        scenario("fresh"), scenario("shorter", exhausted=False), seed=3, server_version="17.2", elapsed_s=75,
    )  # fmt: skip
    page = tmp_path / "page.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    files = written(tmp_path, "old.json", old), written(tmp_path, "new.json", new)
    assert compared(*files, tmp_path / "c.json") == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[:3] == ["not alike: seed 0 → 3", "not alike: server 18.6 → 17.2",
                         "not alike: strategy of paid pct → auto"]  # fmt: skip
    assert [line.split("  ")[0].strip() for line in shown[3:9]] == [
        "scenario", "paid", "mended", "fresh", "dropped", "shorter",
    ]  # fmt: skip
    assert re.search(r"turned red \(pass → violation\) +9 → 1,204 +all there are → until violated", shown[4])
    assert shown[4].endswith("+ once")
    assert shown[5].endswith("- once")
    assert shown[9:] == [
        "shorter was searched to its end before, and is not any more",
        "✗ 1 turned red, 1 turned green, 1 new, 1 gone, 2 as before; 2.00 s → 1 min 15 s",
    ]
    told = json.loads((tmp_path / "c.json").read_text())
    assert (told["version"], told["worse"], told["new"]["seed"]) == (1, True, 3)
    assert told["scenarios"][0]["change"] == "turned red"
    assert told["scenarios"][0]["checks"] == {"new": ["once"], "gone": []}
    assert told["scenarios"][0]["old"]["ordered_pairs"] == {"seen": 3, "possible": 8}
    assert told["scenarios"][3]["new"] is None
    written_page = page.read_text()
    assert "## ✗ 1 turned red" in written_page
    assert "| paid | turned red (pass → violation) | 9 → 1,204 |" in written_page
    assert compared(files[0], files[0], None) == 0
    assert page.read_text().count("## ") == 2


def test_trouble_beside_the_scenarios_is_worse() -> None:
    fine, bad = results(scenario("s")), results(scenario("s"), verdict=ERROR, trouble="the disk is full")
    read = [ReadRun.model_validate(r) for r in (fine, bad)]
    assert compare(*read).worse
    assert "the disk is full" in comparison_markdown(compare(*read))
    assert not compare(*reversed(read)).worse
    assert not compare(read[1], read[1]).worse


@pytest.mark.parametrize("run", [samples.red_run(), samples.empty_run(), samples.hostile_run()])
def test_it_reads_what_is_written_and_is_not_led_astray(run: RunResult, tmp_path: Path) -> None:
    path = written(tmp_path, "r.json", results_json(run))
    found = compare(read_results(path), ReadRun.model_validate(results()))
    assert not found.worse
    page = comparison_markdown(found)
    assert "<script>" not in page
    assert "\x1b" not in page


def test_older_writers_knew_fewer_keys_and_later_ones_may_know_more(tmp_path: Path) -> None:
    least = {k: v for k, v in scenario("s").items() if k not in ("points", "ordered_pairs")} | {"later": [1]}
    path = written(tmp_path, "r.json", results(least, later={}))
    assert read_results(path).scenarios[0].points is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ":1:1: not JSON: "),
        ('{"version": 1,\n  oops}', ":2:3: not JSON: "),
        ("[1]", ": no results.json: it says no version"),
        ('{"summary": {}}', ": no results.json: it says no version"),
        ('{"version": 2}', ": results.json of version 2; this harness reads version 1"),
        ('{"version": 1}', ": verdict: Field required"),
        (json.dumps(results({"name": "s"})), ": scenarios.0.verdict: Field required"),
        (json.dumps(results(scenario("s", "purple"))), ": scenarios.0.verdict: Input should be "),
        (json.dumps(results(scenario("s", schedules="many"))), ": scenarios.0.schedules: Input should be "),
        ("[" * 100_000, ":1:1: not JSON: "),
    ],
)
def test_what_holds_no_results_is_refused_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_results(path)
    assert str(refused.value).startswith(f"{path}{said}")
    assert "\n" not in str(refused.value)


def test_a_folder_stands_for_its_results_and_one_of_reports_for_its_last_run(tmp_path: Path) -> None:
    run = tmp_path / "20260101T000000Z-abcd"
    run.mkdir()
    with pytest.raises(UsageError, match=r"no results\.json in this folder"):
        read_results(tmp_path)
    written(run, "results.json", results(seed=5))
    (tmp_path / "latest").symlink_to(run.name)
    assert [read_results(p).seed for p in (run, tmp_path, run / "results.json")] == [5, 5, 5]


def test_the_command_says_it_where_only_ascii_can_be_shown(tmp_path: Path) -> None:
    old, new = (
        written(tmp_path, "o.json", results(scenario("s"))),
        written(tmp_path, "n.json", results(scenario("s", RED))),
    )
    command = [sys.executable, "-m", "harness", "report", "--compare", str(old), str(new)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (1, "")
    assert "turned red (pass ? violation)" in done.stdout
