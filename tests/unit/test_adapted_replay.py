"""A saved schedule followed after the SQL was changed: by the names of sites, as nearly as it still can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from harness.model import Choice, Decision, Schedule
from harness.strategies.replay import EXTRA_TURNS, Replay


class Programs:
    """Workers and the names of their steps; ``blocked``: who cannot go on from which step."""

    def __init__(self, steps: Mapping[str, Sequence[str]], blocked: str = "") -> None:
        self._left = {w: list(names) for w, names in steps.items()}
        self._blocked = set(blocked.split())

    def enabled(self) -> tuple[Choice, ...]:
        able = [Choice(worker=w, step=names[0]) for w, names in self._left.items() if names]
        return tuple(c for c in able if str(c) not in self._blocked)

    def take(self, choice: Choice) -> None:
        assert self._left[choice.worker].pop(0) == choice.step


def choices(text: str) -> list[Choice]:
    return [Choice(worker=word.partition(".")[0], step=word.partition(".")[2]) for word in text.split()]


def saved(text: str) -> Schedule:
    """The schedule of workers that had just these steps."""
    steps: dict[str, list[str]] = {}
    for choice in choices(text):
        steps.setdefault(choice.worker, []).append(choice.step)
    programs, decisions = Programs(dict(sorted(steps.items()))), []
    for choice in choices(text):
        decisions.append(Decision(choice=choice, enabled=programs.enabled()))
        programs.take(choice)
    return Schedule(seed=0, decisions=tuple(decisions))


def replayed(replay: Replay, programs: Programs) -> str:
    taken = []
    assert replay.start()
    while (choice := replay.choose(programs.enabled())) is not None:
        programs.take(choice)
        taken.append(str(choice))
    return " ".join(taken)


RACE = "a.refund a.refund:4 b.refund b.refund:4 b.refund:8 b.refund:commit a.refund:8 a.refund:commit"
CASES: dict[str, tuple[dict[str, str], str]] = {
    "nothing changed": (
        {"a": "refund refund:4 refund:8 refund:commit", "b": "refund refund:4 refund:8 refund:commit"}, RACE),
    "all lines moved by one": (
        {"a": "refund refund:5 refund:9 refund:commit", "b": "refund refund:5 refund:9 refund:commit"},
        "a.refund a.refund:5 b.refund b.refund:5 b.refund:9 b.refund:commit a.refund:9 a.refund:commit"),
    "all lines moved far": (
        {"a": "refund refund:34 refund:38 refund:commit", "b": "refund refund:34 refund:38 refund:commit"},
        "a.refund a.refund:34 b.refund b.refund:34 b.refund:38 b.refund:commit a.refund:38 a.refund:commit"),
    "a statement was added behind the first": (
        dict.fromkeys("ab", "refund refund:4 refund:5 refund:9 refund:commit"),
        "a.refund a.refund:4 b.refund b.refund:4 b.refund:5 b.refund:9 b.refund:commit a.refund:5 a.refund:9 "
        "a.refund:commit"),
    "an overlap point was added": (
        {"a": "refund refund:4 refund:8 refund:8~ refund:commit", "b": "refund refund:4 refund:8 refund:commit"},
        "a.refund a.refund:4 b.refund b.refund:4 b.refund:8 b.refund:commit a.refund:8 a.refund:8~ a.refund:commit"),
    "a trigger was added": (
        {"a": "refund refund:4 refund:8 audit:2 refund:commit", "b": "refund refund:4 refund:8 audit:2 refund:commit"},
        "a.refund a.refund:4 b.refund b.refund:4 b.refund:8 b.audit:2 b.refund:commit a.refund:8 a.audit:2 "
        "a.refund:commit"),
    "the second statement went": (
        {"a": "refund refund:4 refund:commit", "b": "refund refund:4 refund:commit"},
        "a.refund a.refund:4 b.refund b.refund:4 b.refund:commit a.refund:commit"),
    "the first statement went": (
        {"a": "refund refund:8 refund:commit", "b": "refund refund:8 refund:commit"},
        "a.refund b.refund b.refund:8 b.refund:commit a.refund:8 a.refund:commit"),
    "one worker ends early": (
        {"a": "refund refund:4 refund:8 refund:commit", "b": "refund refund:4"},
        "a.refund a.refund:4 b.refund b.refund:4 a.refund:8 a.refund:commit"),
    "one worker is new": (
        {"a": "refund refund:4 refund:8 refund:commit", "b": "refund refund:4 refund:8 refund:commit", "c": "refund"},
        RACE + " c.refund"),
}  # fmt: skip


@pytest.mark.parametrize(("steps", "expected"), CASES.values(), ids=CASES.keys())
def test_it_follows_the_race_as_nearly_as_it_can(steps: dict[str, str], expected: str) -> None:
    replay = Replay(saved(RACE), exact=False)
    assert replayed(replay, Programs({w: names.split() for w, names in steps.items()})) == expected
    assert replay.adapted is (expected != RACE)
    assert not replay.start()


def test_choices_of_a_worker_that_waits_now_are_left_out() -> None:
    """b now waits at its first statement (as after a FOR UPDATE) until a has committed."""
    replay = Replay(saved(RACE), exact=False)

    class Waits(Programs):
        def take(self, choice: Choice) -> None:
            super().take(choice)
            self._blocked = {"b.refund:8"} if self._left["a"] else set()

    names = ["refund", "refund:4", "refund:8", "refund:commit"]
    assert replayed(replay, Waits({"a": names, "b": names})) == (
        "a.refund a.refund:4 b.refund b.refund:4 a.refund:8 a.refund:commit b.refund:8 b.refund:commit"
    )
    assert replay.adapted


def test_it_does_not_walk_on_for_ever() -> None:
    """A client in an endless loop of new statements: the saved choices are given up, and the execution goes on."""
    replay = Replay(saved("a.x b.x"), exact=False)
    assert replay.start()
    loop = (Choice(worker="a", step="new"), Choice(worker="b", step="x"))
    taken = [replay.choose(loop) for _ in range(EXTRA_TURNS + 3)]
    assert taken[: EXTRA_TURNS + 1] == [loop[0]] * (EXTRA_TURNS + 1)
    assert taken[EXTRA_TURNS + 1] == loop[1]
