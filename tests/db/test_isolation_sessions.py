"""At which isolation level a worker's transactions really run: asked of the server, in the worker's own session."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from harness.driver.levels import require_level, with_level
from harness.driver.pool import WorkerPool
from harness.errors import DriverError
from harness.model import LEVELS, EventKind, Execution, Scenario, Script, Worker
from harness.stage import Stage
from harness.statements import make_statement, unique_names
from harness.strategies.serial import Serial
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

SHOW = "SHOW transaction_isolation"
LEVEL = Script(name="level", text="CREATE FUNCTION level() RETURNS text LANGUAGE sql AS $$ SELECT "
               "current_setting('transaction_isolation') $$; CREATE TABLE t (n integer);")  # fmt: skip
OpenStage = Callable[..., Stage]


@pytest.fixture
def stage(target: EmbeddedTarget, databases: Databases, pool: WorkerPool) -> Iterator[OpenStage]:
    """``stage(level, *statements, inside)``: one worker."""
    made: list[Stage] = []

    def open_stage(level: str | None, *statements: str, inside: bool = True) -> Stage:
        worker = Worker(name="w", statements=tuple(unique_names(make_statement(sql) for sql in statements)))
        scenario = Scenario(
            name="levels", about="", file="levels", text_hash="", install=(LEVEL,), setup=(), workers=(worker,),
            interleavings=(), expect={}, expect_violation=(), invariants=(), state=(), users=(), jobs=(),
            fresh_database=False, restore=True,
        )  # fmt: skip
        made.append(Stage(scenario, target, databases, pool, inside=inside, isolation=level))
        return made[-1]

    yield open_stage
    for one in made:
        one.close()


def levels(execution: Execution) -> list[str]:
    """What the worker was told, in order."""
    answers = [e.answer for e in execution.history.events if e.kind is EventKind.OK and e.answer]
    return [str(value) for rows in answers for row in rows for value in row.values()]


def executed(stage: Stage, number: int = 0) -> list[str]:
    strategy = Serial(["w"])
    strategy.start()
    return levels(stage.execute(strategy, number, seed=0))


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("level", LEVELS.values())
def test_every_transaction_of_a_worker_is_at_the_level(level: str, inside: bool, stage: OpenStage) -> None:
    """A session that is set back goes back to it; the next execution begins with it, whatever the last one had set."""
    one = stage(
        level, "SELECT level()", "BEGIN", SHOW, "COMMIT", "RESET ALL", SHOW, "DISCARD ALL", SHOW,
        "SET default_transaction_isolation = 'read uncommitted'", SHOW, inside=inside,
    )  # fmt: skip
    expected = [level, level, level, level, "read uncommitted"]
    assert executed(one, 1) == executed(one, 2) == expected
    assert one.isolation == level


def test_what_a_worker_sets_itself_wins(stage: OpenStage) -> None:
    one = stage(
        "repeatable read", "BEGIN ISOLATION LEVEL SERIALIZABLE", SHOW, "COMMIT", "BEGIN",
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED", SHOW, "COMMIT", SHOW,
    )  # fmt: skip
    assert executed(one) == ["serializable", "read committed", "repeatable read"]


def test_serial_runs_and_workers_that_are_released_have_the_level_too(stage: OpenStage) -> None:
    one = stage("serializable", "SELECT level()", inside=False)
    take = {w.name: w.statements for w in one.scenario.workers}
    released, threads = one.release(1, seed=0), one.released_by_threads(2, seed=0)
    assert levels(one.serial(take, ["w"])) == levels(released) == levels(threads) == ["serializable"]


def test_only_workers_have_it_and_without_it_they_have_the_servers(stage: OpenStage) -> None:
    stricter, plain = stage("serializable", SHOW), stage(None, SHOW)
    [(observed,)] = stricter.controller.observer.connection.execute(SHOW).fetchall()
    assert observed == "read committed"
    assert executed(plain) == ["read committed"]
    assert (plain.isolation, executed(stricter)) == ("read committed", ["serializable"])


def test_a_level_that_does_not_reach_the_server_is_told(target: EmbeddedTarget) -> None:
    where = target.conninfo("postgres")
    require_level(with_level(where, "serializable"), "serializable")
    with pytest.raises(DriverError, match="asked for SERIALIZABLE begins at READ COMMITTED: something between us"):
        require_level(where, "serializable")
