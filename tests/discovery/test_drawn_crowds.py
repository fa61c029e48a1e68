"""No false alarm where a search cannot come to its end: distinct drawn pairs of input and schedule, three workers and
more. 400 here; `make crowds` draws 100,000."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from refund_inputs import crowds, system

from harness.draw import Case, check, runtime

PAIRS = int(os.environ.get("HARNESS_DRAWN_PAIRS", "400"))
PARTS = 8


@pytest.fixture(scope="module", autouse=True)
def _server() -> Iterator[None]:
    yield
    runtime.close()


@pytest.mark.parametrize("part", range(PARTS))
def test_no_drawn_crowd_breaks_the_shipped_functions(part: int) -> None:
    made = system()
    seen: set[int] = set()
    wanted = PAIRS // PARTS

    def draw(seed: int, count: int) -> None:
        @hypothesis.seed(seed)
        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=tuple(HealthCheck),
        )
        @given(crowds(made))
        def one(case: Case) -> None:
            schedule = check(case, out=None).schedule
            seen.add(hash((repr(case.workers), schedule.decisions)))

        one()

    seeds = range(part, 100 * PARTS, PARTS)
    for seed in seeds:  # once more for those that came twice
        if len(seen) < wanted:
            draw(seed, wanted - len(seen) + 10)  # the first ones of every seed are the plainest
    assert len(seen) >= wanted
