"""Programs on a stage, one execution at a time: who goes when is for the test to say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from harness.driver.troupe import Troupe
from harness.model import Choice, Event, EventKind, Execution, Order, OrderStep
from harness.programs.invariants import Answer, answers_of
from harness.programs.request import Asked, scenario_of
from harness.programs.stage import ProgramStage
from harness.strategies.fixed import Fixed
from harness.targets.databases import Databases
from harness.targets.protocol import Target

ACCOUNTS = """
CREATE TABLE accounts (owner text PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE orders (id text PRIMARY KEY, status text NOT NULL);
INSERT INTO accounts VALUES ('alice', 4000), ('bob', 0);
INSERT INTO orders VALUES ('o1', 'paid');
"""
Work = str | Callable[..., Any]


class Played:
    """One execution, and what is to be seen of it."""

    def __init__(self, execution: Execution) -> None:
        self.execution = execution

    @property
    def events(self) -> tuple[Event, ...]:
        return self.execution.history.events

    @property
    def answers(self) -> Mapping[str, Answer]:
        return answers_of(self.execution)

    @property
    def steps(self) -> list[str]:
        """The choices that were taken."""
        return [str(d.choice) for d in self.execution.schedule.decisions]

    def of(self, worker: str, *kinds: EventKind) -> list[Event]:
        return [e for e in self.events if e.worker == worker and e.kind in kinds]

    def closing(self, table: str) -> list[Any]:
        """What is left in ``table``: of each row the values."""
        return [tuple(row.values()) for row in self.execution.history.closing[table]]


class Play:
    """A stage with programs."""

    def __init__(self, stage: ProgramStage) -> None:
        self.stage = stage
        self._number = 0

    def run(self, *order: str) -> Played:
        """The steps of ``order`` (``worker.step``), and then each worker to its end."""
        choices = [Choice(worker=w, step=s) for w, _, s in (step.partition(".") for step in order)]
        strategy = Fixed(Order(steps=tuple(OrderStep(choice=c) for c in choices)))
        strategy.start()
        self._number += 1
        execution = self.stage.execute(strategy, self._number, seed=0)
        assert strategy.impossible == [], (strategy.impossible, [str(d.choice) for d in execution.schedule.decisions])
        self.stage.context(execution, None)
        return Played(execution)


@contextmanager
def stage_of(
    target: Target, databases: Databases, workers: Mapping[str, Work], setup: str = ACCOUNTS, **asked: Any
) -> Iterator[Play]:
    """Workers on a database with ``setup``."""
    request = Asked(name="play", place="here", workers=workers, setup=setup, **{"invariants": {}, "roles": {}, **asked})
    scenario, piece, programs = scenario_of(request)
    with Troupe(programs) as pool:
        stage = ProgramStage(scenario, target, databases, pool, piece)
        try:
            yield Play(stage)
        finally:
            stage.close()
