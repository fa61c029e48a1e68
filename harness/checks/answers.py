"""Declared answers: what the scenario says that each worker is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.checks.operations import Operation
from harness.checks.protocol import Context
from harness.model import CheckResult, EventKind, Expectation, Json, StatementKind, Violation

_SILENT = (StatementKind.BEGIN, StatementKind.COMMIT, StatementKind.ROLLBACK, StatementKind.DDL)


def expected_answers(context: Context) -> CheckResult:
    """Judges exact orders only: a strategy's answers depend on its order, and serial equivalence judges them."""
    if context.order is None:
        return CheckResult(check="answer", examined=0)
    expect: Mapping[str, Expectation] = {**context.scenario.expect, **context.order.expect}
    violations = []
    for worker, expectation in expect.items():
        mine = [op for op in context.operations if op.worker == worker and _answers_something(op)]
        violations += _mismatches(worker, expectation, mine)
    return CheckResult(check="answer", examined=len(expect), violations=tuple(violations))


def _answers_something(op: Operation) -> bool:
    """Rows or an error. The COMMIT of a transaction that had failed before brings neither."""
    if op.outcome is EventKind.FAIL:
        return op.sqlstate is not None
    return op.statement.kind not in _SILENT and bool(op.answer)


def _mismatches(worker: str, expectation: Expectation, mine: Sequence[Operation]) -> list[Violation]:
    if isinstance(expectation, Mapping):
        pairs = [(expectation, mine[-1] if mine else None)]
    elif len(expectation) != len(mine):
        message = f"{worker} answered {len(mine)} times; {len(expectation)} answers were declared"
        return [Violation(check="answer", message=message, witness=tuple(answer_of(op) for op in mine))]
    else:
        pairs = list(zip(expectation, mine, strict=True))
    violations = []
    for wanted, op in pairs:
        given = answer_of(op) if op else {}
        wrong = mismatches(given, wanted)
        if not wrong:
            continue
        step = f"{worker}.{op.statement.name}" if op else worker
        differs = ", ".join(f"{k} {_shown(given, k)}, declared {wanted[k]!r}" for k in wrong)
        violations.append(
            Violation(
                check="answer",
                message=f"{step} answered otherwise than declared: {differs}",
                witness=({"declared": dict(wanted)}, {"answered": given}),
                turn=op.turn if op else None,
            )
        )
    return violations


_MISSING = object()


def _shown(given: Mapping[str, Json], key: str) -> str:
    return repr(given[key]) if key in given else "missing"


def answer_of(op: Operation) -> dict[str, Json]:
    """The answer as a mapping: the columns of the first row, and the keys of a JSON object in a single column; of an
    error ``sqlstate`` and ``message``."""
    if op.outcome is EventKind.FAIL:
        return {"sqlstate": op.sqlstate, "message": op.message}
    row = dict(op.answer[0]) if op.answer else {}
    if len(row) == 1:
        [value] = row.values()
        if isinstance(value, dict):
            return value
    return row


def mismatches(given: Mapping[str, Json], wanted: Mapping[str, Json]) -> list[str]:
    """The keys of ``wanted`` that have another value in ``given``, or none."""
    return [k for k, value in wanted.items() if not _same(given.get(k, _MISSING), value)]


def _same(given: Any, wanted: Json) -> bool:
    if isinstance(wanted, dict) and isinstance(given, dict):
        return all(_same(given.get(k, _MISSING), v) for k, v in wanted.items())
    if isinstance(wanted, list) and isinstance(given, list):
        return len(given) == len(wanted) and all(map(_same, given, wanted))
    return type(given) is type(wanted) and bool(given == wanted)
