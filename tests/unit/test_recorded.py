"""Histories on disk: what is written is read back, and what is no history is told by its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import samples
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.model import Event, EventKind, Execution, History, Liveness, Schedule, Violation
from harness.recorded import decode_history, read_history
from harness.saving import save_history

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=4,
)
ROWS = st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), max_size=3).map(tuple)
LEDGERS = st.dictionaries(TEXTS, ROWS, max_size=2)
NAMES = st.lists(TEXTS, max_size=2).map(tuple)
EVENTS = st.builds(
    Event,
    kind=st.sampled_from(EventKind),
    turn=st.integers(0, 99),
    worker=TEXTS,
    step=TEXTS,
    sql=st.none() | TEXTS,
    answer=st.none() | ROWS,
    sqlstate=st.none() | TEXTS,
    message=st.none() | TEXTS,
    blockers=NAMES,
    ledger=st.none() | LEDGERS,
    cycle=ROWS,
    at_us=st.integers(0, 10**9),
)
LIVENESS = st.builds(Liveness, waiting=NAMES, idle_in_transaction=NAMES, locks=ROWS)
HISTORIES = st.builds(
    History, events=st.lists(EVENTS, max_size=4).map(tuple), opening=LEDGERS, closing=LEDGERS, liveness=LIVENESS
)
VIOLATIONS = st.lists(
    st.builds(Violation, check=TEXTS, message=TEXTS, witness=ROWS, turn=st.none() | st.integers(0, 99)), max_size=2
).map(tuple)
EMPTY = Schedule(seed=0, decisions=())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("histories")


@settings(max_examples=30)
@given(history=HISTORIES, violations=VIOLATIONS, number=st.integers(0, 10**6))
def test_what_is_saved_is_read_back(
    folder: Path, history: History, violations: tuple[Violation, ...], number: int
) -> None:
    path = folder / "x.history.jsonl"
    execution = Execution(number=number, schedule=EMPTY, history=history)
    save_history(path, execution, violations)
    recorded = read_history(path, EMPTY)
    assert recorded.execution == execution
    assert recorded.violations == violations


def saved(folder: Path) -> list[str]:
    path = folder / "sample.history.jsonl"
    save_history(path, samples.execution(samples.legacy_history()))
    return path.read_text(encoding="utf-8").splitlines()


def test_lines_of_another_kind_are_passed_over(folder: Path) -> None:
    lines = saved(folder)
    more = [lines[0], '{"kind": "moment", "turn": 0, "sessions": []}', *lines[1:]]
    whole, again = (decode_history("\n".join(each) + "\n", "x", EMPTY) for each in (lines, more))
    assert whole == again


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({0: "no JSON"}, "x:1:1: not a saved history: a line is not JSON"),
        ({0: "[1]"}, "x:1:1: not a saved history: a line is an object with a key 'kind'"),
        ({0: '{"kind": 7}'}, "x:1:1: not a saved history: a line is an object with a key 'kind'"),
        ({0: None}, "x:1:1: not a saved history: the first line must be the opening ledger"),
        ({0: '{"kind": "opening", "execution": 0}'}, "x:1:1: Input should be a valid dict"),
        ({1: '{"kind": "invoke", "turn": "soon"}'}, "x:2:1: turn: Input should be a valid integer"),
        ({1: '{"kind": "invoke"}'}, "x:2:1: turn: "),
        ({2: '{"kind": "ok", "turn": 0, "answer": [7]}'}, "x:3:1: answer.0: "),
        ({-1: None}, "the history is not whole: it has no closing ledger"),
        ({1: "[" * 100_000}, "x:2:1: not a saved history"),
    ],
)
def test_what_is_no_history_is_told_by_its_line(folder: Path, changes: dict[int, Any], told: str) -> None:
    lines: list[str | None] = list(saved(folder))
    for number, line in changes.items():
        lines[number] = line
    with pytest.raises(UsageError) as error:
        decode_history("\n".join(line for line in lines if line is not None) + "\n", "x", EMPTY)
    assert told in str(error.value)


def test_what_is_no_text_is_no_history(tmp_path: Path) -> None:
    (tmp_path / "x.history.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_history(tmp_path / "x.history.jsonl", EMPTY)
    with pytest.raises(UsageError, match="cannot be read"):
        read_history(tmp_path / "y.history.jsonl", EMPTY)
