"""What must find its place in an order of the model: a call that was its own transaction, or all calls of one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.checks.linearizability import Interval
from harness.checks.operations import Effect, Operation
from harness.checks.protocol import Context
from harness.checks.refund_model import MAY_CALL, MAY_NOT_CALL
from harness.model import EventKind, StatementKind, Worker

_NOTHING_LOST = ("08", "25P", "40", "53", "55P03", "57")
"""How SQLSTATEs begin that any call may get at any time, and that leave nothing behind: connection lost, transaction
aborted or timed out, serialization and deadlock, out of resources, NOWAIT and lock timeout, cancelled and shut down."""

_SAVEPOINT = re.compile(r"savepoint|release|(?:rollback|abort)\s+(?:(?:work|transaction)\s+)?to\b", re.IGNORECASE)
_SETTING = re.compile(r"show\b|set\s+(?:(?:local|session)\s+)?(?:transaction|\w+_timeout)\b", re.IGNORECASE)
_READING = re.compile(r"(?:select|table|values)\b", re.IGNORECASE)
_MAY_WRITE = re.compile(r"\binto\b|--|/\*", re.IGNORECASE)
_CALLED = re.compile(r"([\w\"]+)\s*\(")
_NO_FUNCTIONS = frozenset(
    {
        "all", "and", "any", "as", "by", "count", "distinct", "exists", "from", "in", "join", "max", "min", "not", "on",
        "or", "pg_sleep", "select", "some", "sum", "union", "values", "when", "where",
    }
)  # fmt: skip
"""What may stand before a parenthesis in a query that changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Calls of one worker that happened together or not at all. ``failed``: the operation (its last call, or its
    COMMIT) whose error undid them all; such a unit changes nothing, and is there for what the error says."""

    interval: Interval
    role: str | None
    calls: tuple[Operation, ...]
    failed: Operation | None = None


def units(context: Context) -> tuple[Unit, ...]:
    """What took effect, may have taken effect, or failed as no function of ours fails; worker by worker, in order.

    A transaction is under way from the first statement behind its BEGIN, whether that is a call or not: with REPEATABLE
    READ and SERIALIZABLE that statement takes the snapshot which all of it answers from, so that a refusal may be older
    than the call that gives it, but never older than this. It ends when its COMMIT is answered. What has an unknown
    outcome never ends: a server may carry out what its client no longer waits for.
    """
    return tuple(
        unit
        for worker in context.scenario.workers
        for unit in _of_worker(worker, [op for op in context.operations if op.worker == worker.name])
    )


def unfit(context: Context) -> str | None:
    """Why the model cannot judge this execution, in words; None: it can."""
    roles = {w.name: w.role for w in context.scenario.workers}
    for op in context.operations:
        step = f"{op.worker}.{op.statement.name}"
        if op.statement.call is not None:
            if roles[op.worker] not in (*MAY_CALL, *MAY_NOT_CALL):
                return f"the model does not know what the role of {step} may do"
        elif op.effect is not Effect.NONE and not _changes_nothing(op):
            return f"{step} may change what the model does not see"
    return None


def _changes_nothing(op: Operation) -> bool:
    if op.statement.kind in (StatementKind.BEGIN, StatementKind.COMMIT, StatementKind.ROLLBACK):
        return True
    sql = op.statement.sql.strip()
    if op.statement.kind is StatementKind.DDL or _MAY_WRITE.search(sql):
        return False
    if _SAVEPOINT.match(sql) or _SETTING.match(sql):
        return True
    return bool(_READING.match(sql)) and {name.lower() for name in _CALLED.findall(sql)} <= _NO_FUNCTIONS


def _of_worker(worker: Worker, mine: Sequence[Operation]) -> Iterator[Unit]:
    inside: list[Operation] | None = None  # the statements of the open transaction; None: none is open
    attempt = 1
    for op in mine:
        if op.statement.attempt != attempt:  # what an earlier one had open was rolled back
            yield from _transaction(worker, inside or [], None)
            inside, attempt = None, op.statement.attempt
        if op.statement.kind in (StatementKind.COMMIT, StatementKind.ROLLBACK):
            yield from _transaction(worker, inside or [], op)
            inside = [] if op.statement.chains else None
        elif inside is not None:
            inside.append(op)
        elif op.statement.kind is StatementKind.BEGIN or op.statement.opens:
            if op.outcome is EventKind.OK or op.outcome is None:
                inside = [op] if op.statement.opens else []
            else:
                yield from _transaction(worker, [op], op)
        else:
            yield from _transaction(worker, [op], op)
    yield from _transaction(worker, inside or [], None)


def _transaction(worker: Worker, inside: Sequence[Operation], end: Operation | None) -> Iterator[Unit]:
    """The unit of these statements, of which ``end`` is the last or behind the last."""
    calls = [op for op in inside if op.statement.call is not None]
    if not calls:
        return
    took_effect = tuple(op for op in calls if op.effect is not Effect.NONE)
    if took_effect:
        unknown = any(op.effect is Effect.UNKNOWN for op in took_effect)
        ended = None if unknown or end is None else end.ended
        interval = Interval(worker=worker.name, began=inside[0].began, ended=ended, optional=unknown)
        yield Unit(interval=interval, role=worker.role, calls=took_effect)
        return
    if any(_SAVEPOINT.match(op.statement.sql) for op in inside):
        return  # what had been undone when something failed is not worth telling apart
    failed = next((op for op in (*inside, *([end] if end else [])) if op.outcome is EventKind.FAIL), None)
    if failed is None or failed.sqlstate is None or failed.sqlstate.startswith(_NOTHING_LOST):
        return
    if failed.statement.call is None and failed is not end:
        return
    before = tuple(op for op in calls if op.outcome is EventKind.OK or op is failed)
    interval = Interval(worker=worker.name, began=inside[0].began, ended=failed.ended)
    yield Unit(interval=interval, role=worker.role, calls=before, failed=failed)
