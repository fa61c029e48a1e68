"""Rules about how the ledger moves, judged on every committed state that was seen: ledger rows are never updated or
deleted, and a job's status moves forward only."""

from __future__ import annotations

from itertools import pairwise

from harness.checks.protocol import Context
from harness.model import CheckResult, Execution, Ledger, Violation

_RANK = {"pending": 0, "processing": 1, "completed": 2, "failed": 2}


def append_only(context: Context) -> CheckResult:
    violations = []
    states = _states(context.execution, "balance_transactions")
    if any("id" not in row for _, state in states for row in state["balance_transactions"]):
        return CheckResult(check="append_only", examined=0)  # another ledger than ours: rows cannot be told apart
    for (_, before), (turn, after) in pairwise(states):
        now = {row["id"]: row for row in after["balance_transactions"]}
        for row in before["balance_transactions"]:
            if now.get(row["id"]) != row:
                what = "was changed" if row["id"] in now else "is gone"
                violations.append(
                    Violation(
                        check="append_only",
                        message=f"a {row.get('type')} row of the ledger {what} at T{turn}",
                        witness=(row, *([now[row["id"]]] if row["id"] in now else [])),
                        turn=turn,
                    )
                )
    return CheckResult(check="append_only", examined=max(0, len(states) - 1), violations=tuple(violations))


def status_forward(context: Context) -> CheckResult:
    violations = []
    states = _states(context.execution, "story_jobs")
    latest: dict[str, str] = {}  # of every job ever seen: one that was deleted must not come back younger
    for turn, state in states:
        for row in state["story_jobs"]:
            job, new = str(row.get("job_id")), str(row.get("status"))
            if new not in _RANK:
                continue  # a table or a status that is not ours
            old, latest[job] = latest.get(job, new), new
            if new != old and _RANK[new] <= _RANK[old]:
                violations.append(
                    Violation(
                        check="status_forward",
                        message=f"{job} went from {old} to {new} at T{turn}",
                        witness=({"job_id": job, "before": old, "after": new},),
                        turn=turn,
                    )
                )
    return CheckResult(check="status_forward", examined=max(0, len(states) - 1), violations=tuple(violations))


def _states(execution: Execution, table: str) -> list[tuple[int, Ledger]]:
    """(turn, committed state) in order, when the ledger has such a table."""
    history = execution.history
    if table not in history.opening:
        return []
    states = [(0, history.opening)]
    states += [(e.turn, e.ledger) for e in history.events if e.ledger is not None]
    last = history.events[-1].turn if history.events else 0
    return [*states, (last, history.closing)]
