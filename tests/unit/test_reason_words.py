"""What is said of causes, and where it is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
import samples

from harness.model import Counterexample, Reason, ReasonKind, Remedy, RunResult, Story, Violation
from harness.report.explained import explained
from harness.report.github import summary
from harness.report.reasons import reason_line, reason_lines, turns_told, why_lines
from harness.report.results import results_json
from harness.report.summary import red_summary

STALE = Reason(
    kind=ReasonKind.STALE_READ, worker="retry", other="original", table="story_jobs", columns=("status",),
    read_turn=1, changed_turn=3, acted_turn=4, before="processing", after="failed", remedy=Remedy.LOCK_HOLDS,
)  # fmt: skip
RETRIED = Reason(
    kind=ReasonKind.RETRIED, worker="again", other="first", table="t", columns=("balance",), changed_turn=1,
    acted_turn=5,
)  # fmt: skip
SAID = (
    "retry read story_jobs.status at T1 (processing), original changed it to failed at T3, retry acted on the old "
    "value at T4; the row was not locked when it was read: SELECT … FOR UPDATE would have made original wait for retry"
)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, SAID),
        (
            {"acted_turn": 2, "remedy": Remedy.TOGETHER},
            "retry read story_jobs.status at T1 (processing) and acted on it at T2, before original changed it to "
            "failed at T3; the read and the write are in two transactions, and no lock lasts from one to the next",
        ),
        (
            {"kind": ReasonKind.OVERWRITTEN, "before": 4000, "after": 5000, "remedy": Remedy.LOCK_WAITS},
            "retry read story_jobs.status at T1 (4000), original changed it to 5000 at T3, retry wrote over that "
            "at T4 what it had computed from the old value; the row was not locked when it was read: SELECT … FOR "
            "UPDATE would have made retry wait there",
        ),
        (
            {"kind": ReasonKind.GONE, "remedy": None},
            "retry read a row of story_jobs at T1, original deleted it at T3, retry acted on what it had read at T4",
        ),
        (
            {"kind": ReasonKind.UNSEEN, "remedy": Remedy.NO_ROW},
            "retry looked for rows in story_jobs at T1, original committed one more at T3, retry acted without it at "
            "T4; a row that is not there yet cannot be locked",
        ),
        (
            {"kind": ReasonKind.UNSEEN, "acted_turn": 2, "remedy": None},
            "retry looked for rows in story_jobs at T1 and acted on what it found at T2, before original had committed "
            "one more at T3",
        ),
        (
            {"kind": ReasonKind.INTERRUPTED, "remedy": None},
            "retry had committed a change of story_jobs at T3, was ended at T4 with more to do, and nobody "
            "did the rest",
        ),
        (
            {"kind": ReasonKind.FAILED, "remedy": None},
            "a statement of retry failed at T3, which took back what it had done, and retry went on at T4 and changed "
            "story_jobs",
        ),
        ({"kind": ReasonKind.ALONE, "remedy": None}, "no other worker is needed: retry alone does it"),
        (
            {"kind": ReasonKind.ALONE, "worker": "", "remedy": None},
            "no race is needed: the calls, one after the other, do it",
        ),
    ],
)
def test_the_sentence_of_a_reason(changes: dict[str, object], said: str) -> None:
    assert reason_line(replace(STALE, **changes)) == said  # type: ignore[arg-type]


def test_the_sentence_of_a_retry() -> None:
    assert reason_line(RETRIED) == "again did again at T5 what first had done at T1 (t.balance)"


def example() -> Counterexample:
    return replace(
        samples.counterexample(samples.legacy_history(), samples.DOUBLE_REFUND), story=Story(reasons=(STALE, RETRIED))
    )


def red() -> RunResult:
    return samples.run_of(samples.red_scenario(counterexamples=(example(),)))


def test_it_stands_beneath_the_timeline() -> None:
    lines = why_lines(example(), 80)
    assert lines[0].startswith("why     retry read story_jobs.status at T1")
    assert all(line.startswith(" " * 8) for line in lines[1:-1])
    assert lines[-1] == "why     again did again at T5 what first had done at T1 (t.balance)"
    assert max(map(len, lines)) <= 80
    text = explained(samples.red_scenario(counterexamples=(example(),)))
    assert text.index("T0") < text.index("\nwhy     retry read") < text.index("\nagain   ")


def test_one_screen_has_the_first_reason_and_a_log_has_all() -> None:
    screen, log = red_summary(red(), "", 80, 20), red_summary(red(), "", 80, None)
    assert sum(line.startswith("why") for line in screen) == 1
    assert sum(line.startswith("why") for line in log) == 2
    assert len(screen) <= 20


def test_programs_and_github_are_told_too() -> None:
    assert results_json(red())["scenarios"][0]["violations"][0]["reasons"] == list(reason_lines(example()))
    assert "- again did again at T5 what first had done at T1 (t.balance)\n" in summary(red())


def test_what_nobody_looked_into_says_nothing() -> None:
    assert why_lines(samples.counterexample(samples.legacy_history(), samples.DOUBLE_REFUND), 80) == []


def test_turns_are_those_of_the_sentences_that_are_shown_and_of_a_deadlock() -> None:
    [example] = samples.red_scenario().counterexamples
    example = replace(example, violations=(), story=Story(reasons=(STALE, RETRIED)))
    assert turns_told(example) == {1, 3, 4, 5, None}
    assert turns_told(example, 1) == {1, 3, 4}
    said = "a held row (id 1) of t (since T12 move:3) and waited for a row (UPDATE, T9 move:4)"
    example = replace(example, story=Story(), violations=(Violation(check="deadlock", message=said),))
    assert turns_told(example) == {9, 12}
