"""`results.json`, JUnit and the folders of runs."""

from __future__ import annotations

import json
import os
import re
import socket
import time
import xml.etree.ElementTree as ET
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import samples

from harness.errors import SaveError, UsageError
from harness.model import Event, EventKind, History, RunResult, Source, Story, Verdict, Violation
from harness.report import folder as folders
from harness.report.folder import KEEP_RUNS, MARKER, new_run_folder, publish
from harness.report.junit import junit_xml, write_junit
from harness.report.results import results_json, write_results

# ------------------------------------------------------------------------------------------------ results.json


def test_results_json_is_what_the_design_promises(tmp_path: Path) -> None:
    write_results(samples.red_run(), tmp_path / "results.json")
    read = json.loads((tmp_path / "results.json").read_text())
    assert read == results_json(samples.red_run())
    assert list(read) == ["version", "verdict", "seed", "server_version", "elapsed_s", "scenarios"]
    assert (read["version"], read["verdict"], read["seed"], read["elapsed_s"]) == (1, "violation", 0, 3.22)
    red = read["scenarios"][1]
    violations = red.pop("violations")
    assert red == {
        "name": "legacy_three_calls",
        "file": "scenarios/legacy_three_calls.yaml",
        "verdict": "violation",
        "observed": "violation",
        "expect": [],
        "strategy": "exhaustive",
        "schedules": 4,
        "exhausted": False,
        "meaning": "An order was found in which the job is refunded twice.",
        "elapsed_s": 0.041,
        "schedules_to_first_violation": 4,
        "seconds_to_first_violation": 0.031,
        "notes": [],
    }
    assert violations[0] == {
        "check": "one refund per job",
        "message": samples.DOUBLE_REFUND.message,
        "witness": [{"job_id": "j1", "refunds": 2, "amount": 2000}] * 2,
        "replay": "reports/latest/legacy_three_calls-1.schedule",
        "reasons": [],
    }
    assert read["scenarios"][0]["seconds_to_first_violation"] is None
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]


@pytest.mark.parametrize("run", [samples.hostile_run(), samples.empty_run()])
def test_any_run_is_valid_json_with_every_text_kept(tmp_path: Path, run: RunResult) -> None:
    write_results(run, tmp_path / "results.json")
    assert json.loads((tmp_path / "results.json").read_bytes()) == results_json(run)


def test_values_that_json_lacks_become_text() -> None:
    row = {"nan": float("nan"), "exact": Decimal("1.10"), "big": 2**70, "list": [float("inf"), None, 0.1]}
    violation = Violation(check="c", message="m", witness=(row,))
    run = samples.run_of(
        samples.red_scenario(counterexamples=(samples.counterexample(samples.legacy_history(), violation),))
    )
    found = results_json(run)["scenarios"][0]["violations"][0]["witness"]
    assert found == [{"nan": "nan", "exact": "1.10", "big": 2**70, "list": ["inf", None, 0.1]}]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.json"
    path.write_text("old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(SaveError, match="disk"):
        write_results(samples.red_run(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# ------------------------------------------------------------------------------------------------------- JUnit


def test_junit_has_a_case_per_scenario() -> None:
    run = replace(
        samples.red_run(),
        scenarios=(
            *samples.red_run().scenarios,
            samples.scenario("nothing", Verdict.INCONCLUSIVE, meaning="Nothing overlapped."),
            samples.scenario("broken", Verdict.ERROR, meaning="The server went away."),
        ),
    )
    root = ET.fromstring(junit_xml(run))
    suite = root[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("6", "2", "1")
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    failures = cases["legacy_three_calls"].findall("failure")
    assert [failure.get("type") for failure in failures] == ["one refund per job"]
    assert failures[0].get("message") == f"{samples.DOUBLE_REFUND.message} (and 1 more)"
    text = failures[0].text or ""
    assert re.findall(r"^[a-z ]+(?=: )", text, re.MULTILINE)[::2] == ["one refund per job", "serial equivalence"]
    assert text.count("← broken") == 2
    assert "harness replay reports/latest/legacy_three_calls-1.schedule" in text
    assert cases["double_workers"].find("failure") is None
    assert "violation seen, as documented" in (cases["known_bad"].findtext("system-out") or "")
    nothing = cases["nothing"].find("failure")
    assert nothing is not None
    assert (nothing.get("type"), nothing.get("message")) == ("inconclusive", "Nothing overlapped.")
    broken = cases["broken"].find("error")
    assert broken is not None
    assert broken.get("message") == "The server went away."
    assert not list(root.iter("skipped"))


def test_junit_leaves_documented_violations_out_of_a_failure() -> None:
    bad = samples.red_scenario(expect=(samples.DOUBLE_REFUND.check,))
    root = ET.fromstring(junit_xml(samples.run_of(bad, verdict=Verdict.VIOLATION)))
    assert [failure.get("type") for failure in root.iter("failure")] == [samples.SERIAL.check]


def test_junit_says_when_a_documented_violation_was_not_seen() -> None:
    bad = samples.scenario("known_bad", Verdict.VIOLATION, observed=Verdict.PASS, expect=("ledger",))
    failure = next(ET.fromstring(junit_xml(samples.run_of(bad, verdict=Verdict.VIOLATION))).iter("failure"))
    assert failure.get("message") == "the documented violation was not seen (ledger)"


SUITE = {"name", "tests", "failures", "errors", "skipped", "time"}
SHAPE = {
    "testsuites": (SUITE - {"skipped"}, ["testsuite"]),
    "testsuite": (SUITE, ["properties", "testcase"]),
    "properties": (set(), ["property"]),
    "property": ({"name", "value"}, []),
    "testcase": ({"name", "classname", "file", "time"}, ["failure", "error", "system-out"]),
    "failure": ({"message", "type"}, []),
    "error": ({"message", "type"}, []),
    "system-out": (set(), []),
}
"""Element → its attributes, and its children in order: what the schemas of Surefire and Jenkins have in common, and
`file`, which both let through and others show."""


def conforms(element: ET.Element) -> None:
    attributes, children = SHAPE[element.tag]
    assert set(element.attrib) == attributes
    assert [children.index(c.tag) for c in element] == sorted(children.index(c.tag) for c in element)
    if element.tag == "testcase":
        assert len({c.tag for c in element}) == len(element)
        assert len(element) <= 2
    for child in element:
        conforms(child)


@pytest.mark.parametrize("run", [samples.hostile_run(), samples.empty_run(), samples.red_run()])
def test_any_run_is_valid_junit(tmp_path: Path, run: RunResult) -> None:
    write_junit(run, tmp_path / "junit.xml")
    root = ET.parse(tmp_path / "junit.xml").getroot()
    conforms(root)
    [suite] = root
    cases = suite.findall("testcase")
    assert suite.get("tests") == str(len(run.scenarios)) == str(len(cases))
    for tag, count in (("failure", "failures"), ("error", "errors")):
        assert suite.get(count) == root.get(count) == str(sum(case.find(tag) is not None for case in cases))
    assert b"\x1b" not in (tmp_path / "junit.xml").read_bytes()


def test_junit_cases_have_names_of_their_own() -> None:
    same = [samples.scenario("same", Verdict.PASS, file=f"{folder}/same.yaml") for folder in "ab"]
    root = ET.fromstring(junit_xml(samples.run_of(*same, samples.green_scenario())))
    names = [case.get("name") for case in root.iter("testcase")]
    assert names == ["same (a/same.yaml)", "same (b/same.yaml)", "double_workers"]


def test_junit_says_where_in_the_sql_it_broke() -> None:
    history = History(events=(Event(kind=EventKind.STEP, turn=0, worker="a", step="f:3"),), opening={}, closing={})
    example = samples.counterexample(history, Violation(check="c", message="m", turn=0))
    story = Story(sources=(Source(function="f", body="", file="db/f.sql", first_line=10),))
    bad = samples.red_scenario(counterexamples=(replace(example, story=story),))
    failure = next(ET.fromstring(junit_xml(samples.run_of(bad, verdict=Verdict.VIOLATION))).iter("failure"))
    assert (failure.text or "").startswith("c: m\n\nat db/f.sql:12 (f:3)\n\n")


# ------------------------------------------------------------------------------------------------------ folders


def old_run(out: Path, number: int, state: str = "complete") -> Path:
    folder = out / f"20200101T0000{number:02d}Z-00ff"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file").write_text("x")
    (folder / MARKER).write_text(f"{state}\n")
    return folder


def test_a_new_folder_is_marked_and_named_by_time(tmp_path: Path) -> None:
    found = {new_run_folder(tmp_path / "a" / "b") for _ in range(20)}
    assert len(found) == 20
    assert all((folder / MARKER).is_file() for folder in found)
    assert all(folders._NAME.fullmatch(folder.name) for folder in found)


def test_a_place_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write reports to"):
        new_run_folder(tmp_path / "file" / "reports")


def test_latest_points_to_the_last_published(tmp_path: Path) -> None:
    for _ in range(2):
        folder = new_run_folder(tmp_path)
        publish(folder)
        assert (tmp_path / "latest").readlink() == Path(folder.name)  # relative: the tree may be moved
    assert not list(tmp_path.glob(".latest-*"))


def test_without_links_a_text_file_names_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    folder = new_run_folder(tmp_path)
    publish(folder)
    assert (tmp_path / "latest.txt").read_text().strip() == folder.name


def test_a_folder_of_the_users_called_latest_stays(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "mine").write_text("x")
    folder = new_run_folder(tmp_path)
    publish(folder)
    assert (tmp_path / "latest" / "mine").exists()
    assert (tmp_path / "latest.txt").read_text().strip() == folder.name
    assert not list(tmp_path.glob(".latest-*"))


def test_pruning_keeps_the_newest_runs_and_everything_foreign(tmp_path: Path) -> None:
    runs = [old_run(tmp_path, number) for number in range(KEEP_RUNS + 5)]
    unmarked = tmp_path / "20190101T000000Z-00ff"
    unmarked.mkdir()
    marked = tmp_path / "sample"
    marked.mkdir()
    (marked / MARKER).write_text("complete\n")
    (tmp_path / "README.md").write_text("mine")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / MARKER).write_text("complete\n")
    link = tmp_path / "20190101T000001Z-00ff"
    link.symlink_to(elsewhere)
    folder = new_run_folder(tmp_path)
    publish(folder)
    gone = [run for run in runs if not run.exists()]
    assert gone == runs[: 5 + 1]
    for path in (unmarked, marked, tmp_path / "README.md", elsewhere / MARKER, link, folder):
        assert path.exists()


def test_leftovers_of_killed_runs_go_and_living_ones_stay(tmp_path: Path) -> None:
    host = socket.gethostname()
    dead = 2**22 + 1  # above the largest process number Linux gives
    killed = old_run(tmp_path, 0, f"running {dead} {host}")
    empty = old_run(tmp_path, 1, "")
    alive = old_run(tmp_path, 2, f"running {os.getpid()} {host}")
    elsewhere = old_run(tmp_path, 3, f"running {dead} another-{host}")
    forgotten = old_run(tmp_path, 4, f"running {dead} another-{host}")
    os.utime(forgotten / MARKER, (time.time() - 2 * 24 * 3600,) * 2)
    for number in range(10, 10 + KEEP_RUNS):
        old_run(tmp_path, number)
    publish(new_run_folder(tmp_path))
    assert [path.exists() for path in (killed, empty, alive, elsewhere, forgotten)] == [False, False, True, True, False]


def test_publishing_an_old_run_does_not_remove_it(tmp_path: Path) -> None:
    late = old_run(tmp_path, 0)
    for number in range(10, 10 + KEEP_RUNS + 3):
        old_run(tmp_path, number)
    publish(late)
    assert late.exists()
    assert (tmp_path / "latest").readlink() == Path(late.name)
