"""Small plans for driver tests: workers from SQL texts, orders from "worker.step" words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.driver.names import Names
from harness.driver.observer import Reading
from harness.driver.plan import Plan
from harness.model import (
    Action,
    Choice,
    Execution,
    Order,
    OrderStep,
    Statement,
    StatementKind,
    Worker,
)

KINDS = {"BEGIN": StatementKind.BEGIN, "COMMIT": StatementKind.COMMIT, "ROLLBACK": StatementKind.ROLLBACK}
ACTIONS = {"kill": Action.KILL, "term": Action.TERM}
STATE = Reading.of({"t": "SELECT * FROM t ORDER BY 1, 2", "u": "SELECT * FROM u ORDER BY 1, 2"}, [])
TABLES = "CREATE TABLE t (id int, v text); CREATE TABLE u (id int PRIMARY KEY, v text)"
FRESH = "TRUNCATE t, u; INSERT INTO t VALUES (1, ''), (2, ''), (3, '')"


def worker(name: str, *statements: str, **fields: Any) -> Worker:
    """A worker whose steps are named s0, s1, …"""
    made = [
        Statement(name=f"s{i}", sql=sql, kind=KINDS.get(sql.split()[0], StatementKind.QUERY))
        for i, sql in enumerate(statements)
    ]
    return Worker(name=name, statements=tuple(made), **fields)


def order(text: str) -> Order:
    """Steps as words: ``a.s0``, ``a.kill``, ``a.term``, ``a.s1!`` (takes effect, answer lost)."""
    steps = []
    for word in text.split():
        name, _, step = word.partition(".")
        if step in ACTIONS:
            steps.append(OrderStep(choice=Choice(worker=name, action=ACTIONS[step])))
        elif step.endswith("!"):
            steps.append(OrderStep(choice=Choice(worker=name, step=step[:-1], action=Action.LOSE)))
        else:
            steps.append(OrderStep(choice=Choice(worker=name, step=step)))
    return Order(steps=tuple(steps))


def plan(*workers: Worker, setup: str = FRESH, number: int = 0) -> Plan:
    return Plan(number=number, names=Names((), (), number), workers=workers, setup=(("setup", setup),), state=STATE)


def words(execution: Execution) -> list[str]:
    """The history, an event a line, without times."""
    return [
        " ".join(
            str(part)
            for part in (
                f"T{e.turn}", e.kind.value, e.worker, e.step, e.sqlstate, ",".join(e.blockers),
                *(list(e.answer) if e.answer else []), e.ledger or "",
            )
            if part
        )
        for e in execution.history.events
    ]  # fmt: skip


def kinds(execution: Execution, name: str) -> list[str]:
    """Kinds of one worker's events, in order."""
    return [e.kind.value for e in execution.history.events if e.worker == name]


def rows(execution: Execution, table: str) -> Sequence[Any]:
    return [tuple(row.values()) for row in execution.history.closing[table]]
