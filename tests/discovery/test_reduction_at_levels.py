"""At every isolation level of its sessions the reduced search comes to all that some order of the steps can come to.

The level is nowhere in what the workers send: the search learns it from the stage. Where it is told another level than
the sessions have, it overlooks something, which is why it must be told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from both_searches import every_order, reduced
from drawn_systems import System
from written_systems import READ, SUM, WRITE, A, B, C, block, function, system

from harness.driver.pool import WorkerPool
from harness.model import LEVELS
from harness.stage import Stage
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

MOST = 400
"""Orders that a system may have."""

BOTH = "INSERT INTO c VALUES (w, v);"
FIRST, THEN = "SELECT n INTO w FROM a WHERE id = 1;", "SELECT n INTO v FROM a WHERE id = 1;"
TWO_SNAPSHOTS = (
    "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$\nDECLARE v integer; w integer;\n"
    f"BEGIN\n  {FIRST}\n  COMMIT;\n  {THEN}\n  {BOTH}\nEND $$;"
)
OWN_LEVEL = TWO_SNAPSHOTS.replace(
    "COMMIT;", "COMMIT;\n  SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;\n  PERFORM n FROM b;"
)
BUSY = function("f1", f"SELECT n INTO v FROM b WHERE id = 1;\n  {THEN}")

SYSTEMS = {
    "a snapshot after the procedure's COMMIT": system(A + C + TWO_SNAPSHOTS, "CALL p()", WRITE),
    "a snapshot long before it is read": system(A + B + BUSY, "SELECT f1()", block(WRITE)),
    "write skew": system(
        A, ("BEGIN", SUM, WRITE, "COMMIT"), ("BEGIN", SUM, "UPDATE a SET n = 0 WHERE id = 2", "COMMIT")
    ),
    "a transaction that begins with another's end": system(
        A, ("BEGIN", READ, "COMMIT AND CHAIN", READ, "COMMIT"), WRITE
    ),
}
SETS_ITS_OWN = "a level that the procedure sets itself"
CASES = [*((name, level) for name in SYSTEMS for level in LEVELS.values()), (SETS_ITS_OWN, "read committed")]
SYSTEMS[SETS_ITS_OWN] = system(A + B + C + OWN_LEVEL, "CALL p()", WRITE)


@contextmanager
def staged(what: System, level: str, target: EmbeddedTarget, databases: Databases, pool: WorkerPool) -> Iterator[Stage]:
    stage = Stage(what.scenario(), target, databases, pool, inside=True, isolation=level)
    try:
        yield stage
    finally:
        stage.close()


@pytest.mark.parametrize(("name", "level"), CASES)
def test_nothing_is_missed(
    name: str, level: str, target: EmbeddedTarget, databases: Databases, pool: WorkerPool
) -> None:
    with staged(SYSTEMS[name], level, target, databases, pool) as stage:
        some, every = reduced(stage, MOST), every_order(stage, MOST)
    assert some.exhausted
    assert every.exhausted
    assert some.executions <= every.executions
    assert some.outcomes.keys() == every.outcomes.keys()
    assert len(every.outcomes) > 1


def test_told_another_level_the_search_overlooks_an_outcome(
    target: EmbeddedTarget, databases: Databases, pool: WorkerPool
) -> None:
    """Two commits of the writer, and one snapshot that is taken before, between or after them: believed to be at READ
    COMMITTED, it makes no difference whether the first commit comes before the snapshot or only before the read."""
    what = system(A + B + BUSY, "SELECT f1()", (WRITE, WRITE))
    with staged(what, "repeatable read", target, databases, pool) as stage:
        told = reduced(stage, MOST)
        stage.isolation = "read committed"
        stage.play(what.scenario())
        misled = reduced(stage, MOST)
    assert misled.exhausted
    assert told.exhausted
    assert misled.outcomes.keys() < told.outcomes.keys()
