"""A worker whose session stands as it is known to begins along with its first statement; and when it does not, after
all, that makes no difference to what happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harness.driver.pool import WorkerPool
from harness.model import Choice, Event
from harness.resources import shipped
from harness.scenario import load_scenario
from harness.stage import Stage
from harness.strategies.once import Once
from harness.strategies.registry import make
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

END = "SELECT pg_terminate_backend(%s, 5000)"


@pytest.fixture(scope="module")
def stage(target: EmbeddedTarget, databases: Databases, pool: WorkerPool) -> Iterator[Stage]:
    scenario = load_scenario(Path(shipped("scenarios")) / "double_workers.yaml")
    with closing(Stage(scenario, target, databases, pool, inside=True)) as made:
        yield made


class Idle(Once):
    """Lets nobody begin."""

    name = "idle"

    def choose(self, _: tuple[Choice, ...]) -> None:
        return


def happened(stage: Stage, seed: int) -> list[tuple[object, ...]]:
    """What an execution by these draws comes to."""
    walk = make("random_walk", seed=seed, limit=1, workers=[w.name for w in stage.scenario.workers])
    assert walk.start()

    def told(event: Event) -> tuple[object, ...]:
        return event.kind, event.turn, event.worker, event.step, event.answer, event.sqlstate, event.blockers

    return [told(e) for e in stage.execute(walk, stage.next_number(), seed=0).history.events]


@pytest.mark.parametrize("ended", [(0,), (1,), (0, 1)])
def test_a_session_that_has_ended_unnoticed_is_made_again_and_stops_at_its_gates(
    stage: Stage, pool: WorkerPool, ended: tuple[int, ...]
) -> None:
    for seed in range(4):
        before = happened(stage, seed)
        assert happened(stage, seed) == before
        backends = [pool.take(2)[i].backend for i in ended]
        for backend in backends:
            stage.controller.observer.connection.execute(END, (backend,))
        assert happened(stage, seed) == before
        assert not {w.backend for w in pool.take(2)} & set(backends)


def test_whoever_never_acts_is_not_told_to_begin(stage: Stage) -> None:
    """And begins in the next execution as if nothing had been."""
    before = happened(stage, 9)
    plan = stage._planned(stage.scenario.workers, stage.next_number(), inside=True)
    nobody = Idle()
    assert nobody.start()
    assert stage.controller.execute(plan, nobody).history.events == ()
    assert happened(stage, 9) == before
