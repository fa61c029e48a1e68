"""Saved schedules: text and back, and what is no saved schedule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.model import Action, Choice, Decision, Schedule
from harness.schedule import SavedSchedule, decode, encode, size

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,20}", fullmatch=True)
STEPS = NAMES.filter(lambda name: name not in ("kill", "term"))
LINES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])).map(str.strip)
CHOICES = st.one_of(
    st.builds(Choice, worker=NAMES, step=STEPS, action=st.sampled_from([Action.RUN, Action.LOSE])),
    st.builds(Choice, worker=NAMES, action=st.sampled_from([Action.KILL, Action.TERM])),
)
DECISIONS = st.builds(Decision, choice=CHOICES, enabled=st.lists(CHOICES, max_size=4).map(tuple), blocked=st.booleans())
SAVED = st.builds(
    SavedSchedule,
    scenario=NAMES,
    file=LINES,
    hash=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    server=LINES,
    order=st.integers(0, 99),
    checks=st.lists(NAMES, max_size=3).map(tuple),
    schedule=st.builds(Schedule, seed=st.integers(), decisions=st.lists(DECISIONS, max_size=8).map(tuple)),
)
TEXT = """\
harness-schedule 1
scenario: s
file: scenarios/s.yaml
hash: 00
server: 18.6
seed: 7
order: 1
checks: deadlock liveness

a.begin | a.begin b.begin
b.begin blocked | b.begin
a.kill |
b.commit!killed | b.commit
"""


@given(SAVED)
def test_round_trip(saved: SavedSchedule) -> None:
    text = encode(saved)
    assert decode(text, "x") == saved
    assert decode(text.replace("\n", "\r\n"), "x") == saved


def test_what_the_text_says() -> None:
    saved = decode(TEXT, "x.schedule")
    assert encode(saved) == TEXT
    assert (saved.schedule.seed, saved.order, saved.checks) == (7, 1, ("deadlock", "liveness"))
    assert [(str(d.choice), d.blocked, len(d.enabled)) for d in saved.schedule.decisions] == [
        ("a.begin", False, 2), ("b.begin", True, 1), ("a.kill", False, 0), ("b.commit!killed", False, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("workers", "expected"), [("", (0, 0)), ("a", (0, 1)), ("aab", (1, 3)), ("abab", (3, 4)), ("aaaa", (0, 4))]
)
def test_size_is_switches_and_steps(workers: str, expected: tuple[int, int]) -> None:
    decisions = tuple(Decision(choice=Choice(worker=w, step="s"), enabled=()) for w in workers)
    assert size(Schedule(seed=0, decisions=decisions)) == expected


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (TEXT, "", 1, "not a saved schedule"),
        (TEXT, "\n", 1, "not a saved schedule"),
        ("schedule 1", "schedule 2", 1, "the first line must be 'harness-schedule 1'"),
        ("harness-schedule 1\n", "version: 1\n", 1, "not a saved schedule"),
        ("seed: 7\n", "seed 7\n", 6, "expected one of scenario, file"),
        ("seed: 7\n", "sead: 7\n", 6, "found 'sead: 7'"),
        ("seed: 7\n", "", 8, "the header lacks seed"),
        ("hash: 00\n", "\n", 4, "the header lacks hash, server, seed, order, checks"),
        ("seed: 7", "seed: seven", 1, "seed and order must be numbers"),
        ("order: 1", "order: 1.5", 1, "seed and order must be numbers"),
        ("a.begin | a.begin b.begin", "a.begin a.begin b.begin", 10, "expected 'worker.step | enabled …'"),
        ("b.begin blocked |", "b.begin blokced |", 11, "expected 'worker.step | enabled …'"),
        ("a.kill |", "| a.kill", 12, "expected 'worker.step | enabled …'"),
        ("a.kill |", "kill |", 12, "'kill' is not worker.step"),
        ("| b.commit\n", "| b.commit b.\n", 13, "'b.' is not worker.step"),
        ("| b.begin\n", "| .begin\n", 11, "'.begin' is not worker.step"),
    ],
)
def test_what_is_no_saved_schedule_is_refused_with_its_line(old: str, new: str, line: int, message: str) -> None:
    assert old in TEXT
    with pytest.raises(UsageError) as caught:
        decode(TEXT.replace(old, new, 1), "x.schedule")
    assert str(caught.value).startswith(f"x.schedule:{line}:1: ")
    assert message in str(caught.value)
