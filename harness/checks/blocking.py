"""Declared waits: in an exact order a step blocks if and only if the order says so, and every step can be taken."""

from __future__ import annotations

from harness.checks.protocol import Context
from harness.model import CheckResult, EventKind, Violation


def expected_blocks(context: Context) -> CheckResult:
    if context.order is None:
        return CheckResult(check="blocking", examined=0)
    violations = []
    decisions = context.execution.schedule.decisions
    turn = 0
    for index, step in enumerate(context.order.steps):
        # The order's steps were taken one by one; what is not the next decision could not be taken. Read off the
        # decisions, so that a replay, which knows nothing of the order, is judged alike.
        if turn == len(decisions) or decisions[turn].choice != step.choice:
            why = _why(context, step.choice.worker, turn)
            message = f"step {index + 1} of the order, {step.choice}, could not be taken: {why}"
            violations.append(Violation(check="blocking", message=message))
            continue
        blocked = decisions[turn].blocked
        # A signal to a worker that waits leaves it waiting, which is nothing that the order could deny.
        if step.blocked != blocked and not step.choice.action.strikes:
            seen = "waited for another worker" if blocked else "did not wait"
            said = "wait" if step.blocked else "go through"
            message = f"T{turn} {step.choice} {seen}; the order says that it must {said}"
            violations.append(Violation(check="blocking", message=message, turn=turn))
        turn += 1
    return CheckResult(check="blocking", examined=len(context.order.steps), violations=tuple(violations))


def _why(context: Context, worker: str, turn: int) -> str:
    """Why ``worker`` could not act at ``turn``."""
    for event in context.execution.history.events:
        if event.worker == worker and event.kind in (EventKind.END, EventKind.CRASH) and event.turn < turn:
            return f"{worker} had ended at T{event.turn} ({event.message})"
    return f"{worker} was waiting for another worker, or had done all its steps"
