"""On the real server the reduced search comes to everything that some order of the steps can come to.

Every system is explored twice, each time to the end: by all orders of its steps, and by the reduced search. The
outcomes must be the same.
"""

from __future__ import annotations

import pytest
from both_searches import Explored, every_order, reduced
from drawn_systems import System, drawn
from statement_templates import PL, TRIGGERS
from written_systems import WRITTEN

from harness.driver.pool import WorkerPool
from harness.errors import NondeterminismError
from harness.stage import Stage
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

MOST = 400
"""Orders that a system may have."""

DRAWN: dict[int, tuple[int, str]] = {
    0: (0, ""), 1: (13, "waits"), 2: (11, "waits"), 3: (0, "waits"),
    4: (11, "waits deadlock"), 5: (9, "waits"), 6: (73, "waits deadlock"), 7: (1, "waits"),
    8: (27, "waits"), 9: (0, "waits"), 10: (2, "waits"), 11: (2, "waits"),
    12: (15, "waits"), 13: (23, "waits deadlock"), 14: (5, "waits"), 15: (0, "waits"),
    16: (0, "waits"), 17: (4, "waits"), 18: (14, "waits"), 19: (3, "waits"),
    20: (0, ""), 21: (1, "waits"), 22: (4, "waits"), 23: (21, "waits"),
    24: (0, ""), 25: (4, "waits"), 26: (0, "waits"), 27: (0, "waits"),
    28: (1, "waits"), 29: (12, "waits"), 30: (4, "waits"), 31: (28, "waits"),
    32: (0, "waits"), 33: (1, "waits"), 34: (0, "waits"), 35: (5, "waits"),
    36: (0, "waits deadlock"), 37: (0, "waits deadlock"), 38: (2, "waits"), 39: (6, "waits"),
    40: (11, "waits"), 41: (3, "waits"),
}  # fmt: skip
"""Seed → which of the systems drawn with it (the first one that is small and has orders that differ), and whether in
some order a worker waits or falls victim to a deadlock."""


def compared(system: System, target: EmbeddedTarget, databases: Databases, pool: WorkerPool) -> Explored:
    """What all orders come to; the reduced search comes to the same."""
    stage = Stage(system.scenario(), target, databases, pool, inside=True)
    try:
        some, every = reduced(stage, MOST), every_order(stage, MOST)
    except NondeterminismError as error:
        pytest.fail(f"{error}\n\n{system.text()}")
    finally:
        stage.close()
    assert some.exhausted, system.text()
    assert every.exhausted, system.text()
    assert some.executions <= every.executions, system.text()
    missing = [f"{' '.join(every.outcomes[o])}\n{o}" for o in every.outcomes.keys() - some.outcomes.keys()]
    extra = [f"{' '.join(some.outcomes[o])}\n{o}" for o in some.outcomes.keys() - every.outcomes.keys()]
    assert not missing, "\n\n".join([system.text(), "not come to:", *missing])
    assert not extra, "\n\n".join([system.text(), "come to by the reduced search alone:", *extra])
    return every


@pytest.mark.parametrize("seed", DRAWN)
def test_nothing_is_missed_in_a_drawn_system(
    seed: int, target: EmbeddedTarget, databases: Databases, pool: WorkerPool
) -> None:
    attempt, marks = DRAWN[seed]
    system = drawn(seed, attempt)
    every = compared(system, target, databases, pool)
    assert len(every.outcomes) > 1
    seen = {"waits": every.waits, "deadlock": every.deadlocks}
    assert {mark for mark, times in seen.items() if times} == set(marks.split())


@pytest.mark.parametrize("name", WRITTEN)
def test_nothing_is_missed_with(name: str, target: EmbeddedTarget, databases: Databases, pool: WorkerPool) -> None:
    every = compared(WRITTEN[name], target, databases, pool)
    assert len(every.outcomes) > 1


def test_the_drawn_systems_have_everything() -> None:
    used = frozenset[str]().union(*(drawn(seed, attempt).templates for seed, (attempt, _) in DRAWN.items()))
    assert used >= {*PL, *(f"trigger {name}" for name in TRIGGERS)}
    assert len(DRAWN) >= 36
    assert sum("waits" in marks for _, marks in DRAWN.values()) >= len(DRAWN) / 3
    assert sum("deadlock" in marks for _, marks in DRAWN.values()) >= 5
