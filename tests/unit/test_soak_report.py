"""What a soak looks like: on the terminal, as JSON, as a picture."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.model import Verdict
from harness.report.soak import NOT_REPEATABLE, SoakConsole, hand_over_line, headline, sample_line
from harness.report.soak_json import soak_json, write_soak
from harness.report.soak_png import soak_picture
from harness.soaked import (
    Broken,
    Fault,
    FaultMark,
    Finding,
    HandOver,
    Job,
    Kind,
    Latency,
    Operation,
    Sample,
    SoakResult,
)

JOB = Job(job="j9", user="u1", amount=10)
CALL = Operation(
    number=1, worker=2, kind=Kind.RETRY, job=JOB, begin_s=0.5, end_s=0.75, outcome="ok",
    answer={"success": True, "refunded": True}, fault=Fault.KILL,
)  # fmt: skip
TWICE = Broken(check="one_refund_per_job", job="j9", user="", row=(("job_id", "j9"), ("refunds", 2)))
REPRODUCED = HandOver(
    scenario="r/soak_1.yaml", verdict=Verdict.VIOLATION, schedules=7, meaning="m", replay="r/soak_1-1.schedule",
    check="one_refund_per_job", same=True,
)  # fmt: skip
NOT_REPRODUCED = HandOver(scenario="r/soak_1.yaml", verdict=Verdict.PASS, schedules=24, meaning="m")
SAMPLE = Sample(
    at_s=1.0, rate=1200.0, p50_ms=2.0, p95_ms=9.0, p99_ms=20.0, lock_waits=3, operations=1200, deadlocks=0, faults=4
)
GREEN = SoakResult(
    verdict=Verdict.PASS, seed=0, server_version="18.6", elapsed_s=2.0, workers=8, users=100, jobs=900,
    operations=2000, draining=12, ok=2000, fail=2, info=10, acknowledged=700, deadlocks=0, checked=3,
    faults=((Fault.KILL, 3), (Fault.CANCEL, 1)), errors=(("42P01 no such table", 2),),
    latencies=(Latency(kind="all", count=2000, p50_ms=2.0, p95_ms=9.0, p99_ms=20.0, max_ms=31.0),),
    samples=(SAMPLE, replace(SAMPLE, at_s=2.0, p50_ms=None, p95_ms=None, p99_ms=None)),
    marks=(FaultMark(at_s=0.7, fault=Fault.KILL),), findings=(),
)  # fmt: skip
RED = replace(
    GREEN,
    verdict=Verdict.VIOLATION,
    findings=(Finding(broken=(TWICE,), history=(CALL,), handed_over=REPRODUCED),),
)


def told(result: SoakResult, *, quiet: bool = False) -> str:
    out = io.StringIO()
    console = SoakConsole(out, quiet=quiet)
    console.started("embedded", "18.6", 8, ["mine.sql"])
    console.sampled(SAMPLE)
    console.done(result, Path("reports/latest"))
    return out.getvalue()


def test_a_green_soak_says_what_was_shown_and_that_it_cannot_be_repeated() -> None:
    text = told(GREEN)
    assert "Nothing violated in 2,000 operations by 8 workers in 2.00 s" in text
    assert "700 acknowledged refunds in the ledger exactly once" in text
    assert NOT_REPEATABLE in text
    assert "3 kill, 1 cancel" in text
    assert "2 times: 42P01 no such table" in text
    assert "mine.sql" in text


def test_quiet_says_nothing_of_a_pass_and_everything_of_a_violation() -> None:
    assert told(GREEN, quiet=True) == ""
    assert "one_refund_per_job" in told(RED, quiet=True)


def test_a_finding_shows_its_rows_its_calls_and_how_to_see_it_again() -> None:
    text = told(RED)
    assert "✗ job j9: one_refund_per_job" in text
    assert '{"job_id": "j9", "refunds": 2}' in text
    assert "0.5000–0.7500 s  worker 2   retry    j9  ok" in text
    assert "(kill)" in text
    assert "reproduced as a schedule: harness replay r/soak_1-1.schedule" in text
    assert "1 finding in 2,000 operations" in text


@pytest.mark.parametrize(
    ("handed_over", "said"),
    [
        (REPRODUCED, "reproduced as a schedule: harness replay r/soak_1-1.schedule"),
        (replace(REPRODUCED, check="deadlock", same=False), "reproduced as a schedule (as deadlock)"),
        (NOT_REPRODUCED, "not reproduced by these calls (24 schedules, r/soak_1.yaml)"),
        (replace(NOT_REPRODUCED, verdict=Verdict.ERROR), "the directed search failed"),
        (None, "not handed over"),
    ],
)
def test_what_came_of_handing_over_is_said(handed_over: HandOver | None, said: str) -> None:
    assert hand_over_line(Finding(broken=(TWICE,), history=(CALL,), handed_over=handed_over)).startswith(said)


def test_a_soak_in_which_nobody_was_told_of_a_refund_has_shown_nothing() -> None:
    empty = replace(GREEN, verdict=Verdict.INCONCLUSIVE, acknowledged=0)
    assert headline(empty).endswith("nothing was shown")
    assert soak_json(empty)["exit_code"] == 3


def test_the_living_line_has_the_figures() -> None:
    line = sample_line(SAMPLE)
    for figure in ("1,200/s", "p50 2.0", "p95 9.0", "p99 20.0", "lock waits 3", "deadlocks 0", "faults 4"):
        assert figure in line
    assert "no answer" in sample_line(GREEN.samples[1])


def test_json_has_everything_and_says_that_it_is_not_deterministic(tmp_path: Path) -> None:
    write_soak(RED, tmp_path / "soak.json")
    read = json.loads((tmp_path / "soak.json").read_text())
    assert read["version"] == 1
    assert (read["verdict"], read["exit_code"], read["deterministic"]) == ("violation", 1, False)
    assert read["faults"] == {"kill": 3, "cancel": 1}
    [finding] = read["findings"]
    assert finding["history"][0]["fault"] == "kill"
    assert finding["broken"][0]["row"] == {"job_id": "j9", "refunds": 2}
    assert finding["handed_over"]["replay"] == "r/soak_1-1.schedule"


def lines(result: SoakResult) -> dict[str, list[tuple[float, float]]]:
    """What is drawn, by its name: points."""
    picture = soak_picture(result)
    assert picture is not None
    found: dict[str, list[tuple[float, float]]] = {}
    for axes in picture.figure().axes:
        for line in axes.lines:
            found.setdefault(line.get_gid() or line.get_label(), []).extend(zip(*line.get_data(), strict=True))
    return found


def test_the_picture_shows_what_was_sampled() -> None:
    found = lines(replace(GREEN, samples=(SAMPLE, replace(SAMPLE, at_s=2.0, rate=900.0, deadlocks=1, p99_ms=25.0))))
    assert found["rate"] == [(1.0, 1200.0), (2.0, 900.0)]
    assert found["p50"] == [(1.0, 2.0), (2.0, 2.0)]
    assert found["p99"] == [(1.0, 20.0), (2.0, 25.0)]
    assert found["waits"] == [(1.0, 3.0), (2.0, 3.0)]
    assert [x for x, _ in found["kill"]] == [0.7]
    assert [x for x, _ in found["deadlock"]] == [2.0]
    assert found["terminate"] == []
    assert "violation" not in found


def test_the_picture_marks_violations_and_the_end_of_the_load() -> None:
    found = lines(replace(RED, elapsed_s=1.5))
    assert {x for x, _ in found["violation"]} == {CALL.end_s}
    assert {x for x, _ in found["load ends"]} == {1.5}


def test_the_picture_shows_how_latencies_and_waits_are_distributed() -> None:
    refund = Latency(
        kind="refund", count=4, p50_ms=1.0, p95_ms=8.0, p99_ms=8.0, max_ms=8.0, buckets=((1.0, 3), (8.0, 1))
    )
    picture = soak_picture(replace(GREEN, latencies=(refund,), lock_waits=((0, 9), (2, 1))))
    assert picture is not None
    [*_, slower, waits] = picture.figure().axes
    [curve] = slower.lines
    assert list(zip(*curve.get_data(), strict=True)) == [(0.9, 100.0), (1.0, 25.0), (8.0, 25.0)]
    assert [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in waits.patches] == [(0, 90), (2, 10)]


def test_a_soak_without_any_sample_has_no_picture() -> None:
    assert soak_picture(replace(GREEN, samples=(), marks=())) is None
