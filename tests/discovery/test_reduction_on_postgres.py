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

DRAWN: dict[int, tuple[int, str]] = {}
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
