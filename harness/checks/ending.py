"""How an execution ended: nobody waits, nothing is held, and no cycle of waits was met on the way."""

from __future__ import annotations

from harness.checks.cycles import deadlock_message
from harness.checks.protocol import Context
from harness.model import CheckResult, EventKind, Violation

DEADLOCK = "deadlock"
"""The name of the check."""


def liveness(context: Context) -> CheckResult:
    """Every worker ended, no session is idle in a transaction, no lock is held."""
    left = context.execution.history.liveness
    violations = []
    if left.waiting:
        message = f"{', '.join(left.waiting)} still waits though every other worker has ended"
        violations.append(Violation(check="liveness", message=message, witness=left.locks))
    if left.idle_in_transaction:
        message = f"{', '.join(left.idle_in_transaction)} ended with its transaction open"
        violations.append(Violation(check="liveness", message=message, witness=left.locks))
    if left.locks and not violations:
        holders = ", ".join(dict.fromkeys(str(row["worker"]) for row in left.locks))
        violations.append(Violation(check="liveness", message=f"{holders} ended holding a lock", witness=left.locks))
    return CheckResult(check="liveness", examined=len(context.scenario.workers), violations=tuple(violations))


def deadlock(context: Context) -> CheckResult:
    """A deadlock is a finding of its own, even when the ledger survives it."""
    violations = tuple(
        Violation(
            check=DEADLOCK,
            message=deadlock_message(e),
            witness=({"closed by": f"{e.worker}.{e.step}", "workers": list(e.blockers)}, *e.cycle),
            turn=e.turn,
        )
        for e in context.execution.history.events
        if e.kind is EventKind.DEADLOCK
    )
    return CheckResult(check=DEADLOCK, examined=1, violations=violations)
