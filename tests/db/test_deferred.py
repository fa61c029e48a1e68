"""A COMMIT is taken for one that may wait only where something may have been deferred to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from harness.driver.controller import Controller
from harness.driver.effects import Effects
from harness.driver.plan import Plan, Points
from harness.driver.pool import WorkerPool
from harness.model import Execution, Footprint, Scenario, Script, StatementKind, Worker
from harness.stage import Stage
from harness.statements import make_statement, unique_names
from harness.strategies.serial import Serial
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

T = "CREATE TABLE t (n integer);"
UNIQUE = "ALTER TABLE t ADD UNIQUE (n) DEFERRABLE;"
TRIGGER = """
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t WHERE n < 0; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE FOR EACH ROW EXECUTE FUNCTION f();
"""
FOREIGN_KEY = "CREATE TABLE p (n integer PRIMARY KEY); ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES p DEFERRABLE;"
DefersFor = Callable[..., bool]


@pytest.fixture
def defers(
    target: EmbeddedTarget, databases: Databases, pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DefersFor]:
    """``defers(sql, *statements)``: what an exact order of one worker is told of its commits."""
    made: list[Stage] = []
    plans: list[Plan] = []
    execute = Controller.execute

    def spy(self: Controller, plan: Plan, *given: Any, **named: Any) -> Execution:
        plans.append(plan)
        return execute(self, plan, *given, **named)

    monkeypatch.setattr(Controller, "execute", spy)

    def ask(sql: str, *statements: str) -> bool:
        worker = Worker(name="w", statements=tuple(unique_names(make_statement(text) for text in statements)))
        scenario = Scenario(
            name="deferred", about="", file="deferred", text_hash="", install=(Script(name="sql", text=sql),),
            setup=(), workers=(worker,), interleavings=(), expect={}, expect_violation=(), invariants=(), state=(),
            users=(), jobs=(), fresh_database=False, restore=True,
        )  # fmt: skip
        made.append(Stage(scenario, target, databases, pool))
        strategy = Serial(["w"])
        strategy.start()
        made[-1].execute(strategy, 0, seed=0)
        return plans[-1].defers

    yield ask
    for one in made:
        one.close()


def test_what_is_deferrable_is_read_from_the_catalog(defers: DefersFor) -> None:
    assert not defers(T + "ALTER TABLE t ADD UNIQUE (n);", "INSERT INTO t VALUES (1)")
    for deferrable in (UNIQUE, TRIGGER, FOREIGN_KEY):
        assert defers(T + deferrable, "SELECT FROM t")


def test_a_worker_that_makes_tables_may_make_such_ones(defers: DefersFor) -> None:
    assert defers(T, "CREATE TABLE u (n integer UNIQUE DEFERRABLE)")


POINTS = Points(sites={}, entry=lambda _, __: Footprint(writes=frozenset({"t"})))


@pytest.mark.parametrize(
    ("points", "commit", "defers", "may_wait"),
    [
        (None, True, False, False),
        (None, True, True, True),
        (None, False, False, True),
        (POINTS, True, True, False),
        (POINTS, False, False, True),
    ],
)
def test_who_may_wait_for_somebody_with_an_open_transaction(
    points: Points | None, commit: bool, defers: bool, may_wait: bool
) -> None:
    def client(name: str, kind: StatementKind, sql: str) -> Any:
        return SimpleNamespace(
            name=name, site=None, in_transaction=False, statement=SimpleNamespace(name="s", kind=kind, sql=sql)
        )

    effects = Effects(points, 2, defers=defers)
    other = client("a", StatementKind.QUERY, "UPDATE t SET n = 1")
    effects.let_go(other)
    ending = ("COMMIT", StatementKind.COMMIT) if commit else ("UPDATE t SET n = 2", StatementKind.QUERY)
    one = client("b", ending[1], ending[0])
    effects.let_go(one)
    assert effects.may_wait(one, [other]) is may_wait
