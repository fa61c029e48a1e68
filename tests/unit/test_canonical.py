"""Generated ids and times: named by first appearance, never dropped, and told apart by where they stand."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.canonical import Canonical, fingerprint, ranked

A, B = "5f1c1d5e-0000-4000-8000-00000000000a", "5f1c1d5e-0000-4000-8000-00000000000b"
T1, T2 = "2026-11-24T00:00:01.5+00:00", "2026-11-24 00:00:02Z"

NAMED: dict[str, tuple[Any, Any]] = {
    "who equals whom is kept": ([A, B, A], ["uuid-1", "uuid-2", "uuid-1"]),
    "times too": ([T1, T2, T1], ["time-1", "time-2", "time-1"]),
    "ids and times are counted apart": ([T1, A], ["time-1", "uuid-1"]),
    "inside a text": (f"job {A} of {B} at {T1}", "job uuid-1 of uuid-2 at time-1"),
    "to any depth": ({"a": [{"b": (A, None)}], "c": A}, {"a": [{"b": ["uuid-1", None]}], "c": "uuid-1"}),
    "other values stay": ([1, True, None, 1.5, "x"], [1, True, None, 1.5, "x"]),
    "a date or a number is no time": (["2026-11-24", "20261124000001"], ["2026-11-24", "20261124000001"]),
}


@pytest.mark.parametrize(("value", "expected"), NAMED.values(), ids=NAMED.keys())
def test_naming(value: Any, expected: Any) -> None:
    assert Canonical().value(value) == expected


def test_one_naming_goes_over_tables_and_answers() -> None:
    naming = Canonical()
    assert naming.ledger({"t": ({"id": A},), "u": ({"t": B, "of": A},)}, {}) == {
        "t": [{"id": "uuid-1"}],
        "u": [{"t": "uuid-2", "of": "uuid-1"}],
    }
    assert naming.value(B) == "uuid-2"


def test_constants_of_the_scenario_stay() -> None:
    assert Canonical({A}).value([A, B]) == [A, "uuid-1"]


def test_of_a_sequence_only_the_rank_means_something() -> None:
    ledger = {"t": ({"seq": 90, "n": 90}, {"seq": 7, "n": 7}, {"seq": None, "n": 1}), "u": ({"seq": 90},)}
    expected = {"t": ({"seq": 2, "n": 90}, {"seq": 1, "n": 7}, {"seq": None, "n": 1}), "u": ({"seq": 90},)}
    assert ranked(ledger, {"t": {"seq": "t.seq", "missing": "t.missing"}}) == expected


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 1)), max_size=6), st.randoms())
def test_another_choice_of_ids_and_another_order_of_rows_give_the_same_fingerprint(
    edges: list[tuple[int, int, int]], shuffle: random.Random
) -> None:
    def drawn(numbers: list[int], rows: list[tuple[int, int, int]]) -> Any:
        names = [f"{n:08x}-0000-4000-8000-000000000000" for n in numbers]
        return fingerprint({"t": tuple({"a": names[a], "b": names[b], "n": n} for a, b, n in rows)}, {"w": names[0]})

    numbers = [10, 11, 12, 13]
    others = shuffle.sample(range(20, 30), 4)
    assert drawn(numbers, edges) == drawn(others, shuffle.sample(edges, len(edges)))


@given(st.lists(st.integers(0, 2), min_size=1, max_size=5), st.integers(0, 4), st.integers(0, 2))
def test_one_row_that_differs_shows(values: list[int], at: int, value: int) -> None:
    def drawn(found: list[int]) -> Any:
        rows = tuple({"id": f"{i:08x}-0000-4000-8000-000000000000", "n": n} for i, n in enumerate(found))
        return fingerprint({"t": rows}, {})

    other = [*values]
    other[at % len(values)] = value
    assert (drawn(values) == drawn(other)) is (sorted(values) == sorted(other))
