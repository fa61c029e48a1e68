"""What was acknowledged against what the ledger holds: an acknowledged refund is there exactly once, a refused or
failed one not at all, and an unknown outcome may have gone either way."""

from __future__ import annotations

from collections import Counter

from harness.checks.operations import Effect
from harness.checks.protocol import Context
from harness.model import CheckResult, EventKind, Row, Violation

_LEDGER = "balance_transactions"


def acknowledged_refunds(context: Context) -> CheckResult:
    closing = context.execution.history.closing
    calls = [op for op in context.operations if op.statement.call and op.statement.call.kind == "refund"]
    if _LEDGER not in closing or not calls:
        return CheckResult(check="acknowledged_refunds", examined=0)
    rows = Counter(_job(r) for r in closing[_LEDGER] if r.get("type") == "refund")
    rows.subtract(_job(r) for r in context.execution.history.opening[_LEDGER] if r.get("type") == "refund")
    paid: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    for op in calls:
        assert op.statement.call is not None
        job = op.statement.call.job
        if op.outcome is EventKind.OK and not _says_refunded(op.answer):
            continue  # refused, and said so, whatever became of its COMMIT
        if op.effect is Effect.UNKNOWN:
            unknown[job] += 1
        elif op.effect is Effect.COMMITTED:
            paid[job] += 1
    # A worker that paid by other means (the legacy worker) acknowledged nothing here; other checks see it.
    others = any(
        op.statement.call is None and "refund" in op.statement.sql.lower() and op.effect is not Effect.NONE
        for op in context.operations
    )
    violations = []
    for job in sorted({op.statement.call.job for op in calls if op.statement.call}):
        least, most = paid[job], paid[job] + unknown[job]
        if rows[job] < least or (rows[job] > most and not others):
            violations.append(
                Violation(
                    check="acknowledged_refunds",
                    message=f"{job} has {rows[job]} refund rows; {least} refunds were acknowledged"
                    + (f" and {unknown[job]} have an unknown outcome" if unknown[job] else ""),
                    witness=tuple(r for r in closing[_LEDGER] if r.get("type") == "refund" and _job(r) == job),
                )
            )
    return CheckResult(check="acknowledged_refunds", examined=len(calls), violations=tuple(violations))


def _job(row: Row) -> str:
    return str((row.get("metadata") or {}).get("job_id"))


def _says_refunded(answer: tuple[Row, ...] | None) -> bool:
    return any(
        isinstance(v, dict) and v.get("success") is True and v.get("refunded") is True
        for row in answer or ()
        for v in row.values()
    )
