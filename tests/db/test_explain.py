"""`harness explain`: what a run has saved says again why it came to it, without server and scenario."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import harness

APART = "the read and the write are in two transactions, and no lock lasts from one to the next"
KNOWN_BAD = {
    "execute_privilege_as_described": "",  # nothing but grants is wrong
    "fallback_loses_refund": "a statement of fallback failed at T",
    "ignored_rpc_error": "",  # what was not done stands in no history
    "legacy_double_refund": "retry read story_jobs.status at T1 (processing) and acted on it at T3, before original "
    f"changed it to failed at T4; {APART}",
    "mixed_fleet": "old read story_jobs.status at T0 (processing), new changed it to failed at T3, "
    f"old acted on the old value at T4; {APART}",
    "stalled_by_model": "original read story_jobs.status at T0 (processing), retry changed it to failed at T",
    "unlocked_inside": "original read story_jobs.status at T1 (processing), retry changed it to failed at T12, "
    "original acted on the old value at T17; the row was not locked when it was read: SELECT … FOR UPDATE would have "
    "made retry wait for original",
    "zombie_completes_as_described": "",  # nothing was read that was old: the function lacks a rule
}
"""Known-bad scenarios → how the first reason of their first counterexample begins ("": it cannot be read off)."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    done = harness("run", *KNOWN_BAD, "double_workers", "--out", str(out))
    assert (done.returncode, done.stderr) == (0, "")
    return out / "latest"


def explained(path: Path, cwd: Path, *, fresh: bool = False) -> str:
    done = harness("explain", str(path), cwd=cwd, fresh=fresh, PATH="", COLUMNS="400")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def why(text: str) -> str:
    return next((line.removeprefix("why     ") for line in text.splitlines() if line.startswith("why")), "")


def test_the_known_bad_scenarios_say_why(saved: Path) -> None:
    results = json.loads((saved / "results.json").read_text())
    first = {s["name"]: s["violations"][0] for s in results["scenarios"] if s["violations"]}
    assert first.keys() == KNOWN_BAD.keys()
    for name, begins in KNOWN_BAD.items():
        told = first[name]["reasons"]
        assert told[0].startswith(begins) if begins else told == [], (name, told)


@pytest.mark.parametrize("name", ["legacy_double_refund", "unlocked_inside"])
def test_what_is_saved_says_it_again(saved: Path, tmp_path: Path, name: str) -> None:
    schedule = (saved / f"{name}-1.schedule").resolve()
    text = explained(schedule, tmp_path)
    assert text == explained(schedule.with_suffix(".history.jsonl"), tmp_path, fresh=True)
    assert why(text) == KNOWN_BAD[name]
    assert "✗ one_refund_per_job: a job was refunded more than once" in text
    assert "T0 " in text
    assert "← broken" in text
    assert text.splitlines()[-1] == f"again   harness replay {schedule}"


def test_the_history_of_what_violates_nothing_is_shown(saved: Path, tmp_path: Path) -> None:
    text = explained((saved / "double_workers.history.jsonl").resolve(), tmp_path)
    assert text.startswith("double_workers: violates nothing\n")
    assert why(text) == ""


def test_an_older_history_without_messages_is_explained_too(saved: Path, tmp_path: Path) -> None:
    for kind in (".schedule", ".history.jsonl"):
        text = (saved / f"unlocked_inside-1{kind}").read_text()
        lines = [line for line in text.splitlines() if not line.startswith('{"kind": "violation"')]
        (tmp_path / f"old{kind}").write_text("\n".join(lines) + "\n")
    text = explained(tmp_path / "old.schedule", tmp_path)
    assert "\n✗ one_refund_per_job\n" in text
    assert why(text) == KNOWN_BAD["unlocked_inside"]


def test_what_is_not_what_a_run_has_saved_is_told_in_a_line(saved: Path, tmp_path: Path) -> None:
    good = (saved / "unlocked_inside-1.schedule").read_text()
    (tmp_path / "alone.schedule").write_text(good)
    (tmp_path / "bad.schedule").write_text(good)
    (tmp_path / "bad.history.jsonl").write_text('{"kind": "opening", "execution": 0, "ledger": {}}\nsurprise\n')
    history = (saved / "unlocked_inside-1.history.jsonl").read_text()
    (tmp_path / "apart.history.jsonl").write_text(history)
    (tmp_path / "foreign.txt").write_text("hello\n")
    for name, told in {
        "alone.schedule": "alone.history.jsonl: is not there",
        "apart.history.jsonl": "apart.schedule: is not there",
        "bad.schedule": "bad.history.jsonl:2:1: not a saved history: a line is not JSON",
        "foreign.txt": "foreign.txt:1:1: not a saved schedule",
        "nowhere.schedule": "nowhere.schedule: cannot be read",
    }.items():
        done = harness("explain", str(tmp_path / name))
        assert done.returncode == 2, name
        assert told in done.stderr
        assert done.stderr.count("\n") == 1
