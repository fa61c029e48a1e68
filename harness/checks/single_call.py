"""A single call against what is declared of it: what its user is answered, and what becomes of the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping

from harness.checks.answers import answer_of, mismatches
from harness.checks.operations import Operation
from harness.checks.protocol import Context
from harness.model import Case, CheckResult, EventKind, Json, Ledger, LedgerRule, Row, Violation

ANSWER = "declared_answer"
LEDGER = "ledger_unchanged"
_SHOWN = 160
_WITNESSES = 6


def declared_answer(context: Context, case: Case) -> CheckResult:
    """The request's answer has every value that is declared; where none is, it is no error."""
    op = answered(context, case)
    given = None if op is None else answer_of(op)
    wrong = given is None or mismatches(given, case.answer) or (not case.answer and "sqlstate" in given)
    if not wrong:
        return CheckResult(check=ANSWER, examined=1)
    told = "nothing" if given is None else _words(given)
    message = f"{case.name}: {case.role} was answered {told}; declared: {_words(case.answer)}"
    witness: tuple[Row, ...] = ({"declared": dict(case.answer)}, {"answered": given})
    turn = None if op is None else op.turn
    return CheckResult(
        check=ANSWER, examined=1, violations=(Violation(check=ANSWER, message=message, witness=witness, turn=turn),)
    )


def ledger_unchanged(context: Context, case: Case) -> CheckResult:
    """The committed ledger is at the end what it was before the request, or is not, as declared."""
    if case.ledger is LedgerRule.FREE:
        return CheckResult(check=LEDGER, examined=0)
    before, after = found(context, case), context.execution.history.closing
    if (before != after) == (case.ledger is LedgerRule.CHANGED):
        return CheckResult(check=LEDGER, examined=1)
    if case.ledger is LedgerRule.CHANGED:
        message = f"{case.name}: {case.role}'s call was to change the ledger, and it is what it was"
    else:
        tables = ", ".join(table for table in after if after[table] != before.get(table))
        message = f"{case.name}: {case.role}'s call was to change nothing, and changed {tables}"
    violation = Violation(check=LEDGER, message=message, witness=tuple(_differences(before, after)[:_WITNESSES]))
    return CheckResult(check=LEDGER, examined=1, violations=(violation,))


def answered(context: Context, case: Case) -> Operation | None:
    """What the request was answered by: its first error, else its call. None: by nothing."""
    request = [op for op in context.operations if op.position >= case.previous]
    errors = (op for op in request if op.outcome is EventKind.FAIL and op.sqlstate is not None)
    calls = (op for op in request if op.outcome is EventKind.OK and op.statement.name == case.call)
    return next(errors, None) or next(calls, None)


def found(context: Context, case: Case) -> Ledger:
    """The committed ledger that the request found: what the session's previous user had committed is not its doing."""
    history = context.execution.history
    began = min((op.began for op in context.operations if op.position >= case.previous), default=0)
    seen = [e.ledger for e in history.events[:began] if e.ledger is not None]
    return seen[-1] if seen else history.opening


def _differences(before: Ledger, after: Ledger) -> list[Row]:
    """Rows that stand on one side only."""
    rows: list[Row] = []
    for table in after:
        old, new = before.get(table, ()), after[table]
        rows += [{"table": table, "before": dict(row)} for row in old if row not in new]
        rows += [{"table": table, "after": dict(row)} for row in new if row not in old]
    return rows


def _words(answer: Mapping[str, Json]) -> str:
    if not answer:
        return "no error"
    text = json.dumps(answer, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
