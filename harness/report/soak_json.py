"""`soak.json`: a soak for other programs. Version 1 only gains keys. Nothing in it is repeatable, whatever the seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.files import write_json
from harness.model import EXIT_CODES
from harness.soaked import Broken, Finding, HandOver, Operation, SoakResult

VERSION = 1
FILE = "soak.json"


def soak_json(result: SoakResult) -> dict[str, Any]:
    """The soak as plain JSON values; keys that end in `_s` are seconds, in `_ms` milliseconds."""
    return {
        "version": VERSION,
        "verdict": result.verdict.value,
        "exit_code": EXIT_CODES[result.verdict],
        "seed": result.seed,
        "deterministic": False,
        "server_version": result.server_version,
        "elapsed_s": round(result.elapsed_s, 3),
        "workers": result.workers,
        "users": result.users,
        "jobs": result.jobs,
        "operations": result.operations,
        "draining": result.draining,
        "outcomes": {"ok": result.ok, "fail": result.fail, "info": result.info},
        "acknowledged_refunds": result.acknowledged,
        "deadlocks": result.deadlocks,
        "ledger_checks": result.checked,
        "faults": {fault.value: count for fault, count in result.faults},
        "errors": [{"error": text, "count": count} for text, count in result.errors],
        "latencies": [
            {
                "kind": one.kind, "count": one.count, "p50_ms": round(one.p50_ms, 3), "p95_ms": round(one.p95_ms, 3),
                "p99_ms": round(one.p99_ms, 3), "max_ms": round(one.max_ms, 3),
            }
            for one in result.latencies
        ],
        "samples": [
            {
                "at_s": round(s.at_s, 3), "rate": round(s.rate, 1), "p50_ms": _rounded(s.p50_ms),
                "p95_ms": _rounded(s.p95_ms), "p99_ms": _rounded(s.p99_ms), "lock_waits": s.lock_waits,
                "operations": s.operations, "deadlocks": s.deadlocks, "faults": s.faults,
            }
            for s in result.samples
        ],
        "lock_waits": [{"waiting": waiting, "looks": looks} for waiting, looks in result.lock_waits],
        "findings": [_finding(f) for f in result.findings],
        **({"trouble": result.trouble} if result.trouble else {}),
    }  # fmt: skip


def write_soak(result: SoakResult, path: Path) -> None:
    """Write `soak.json` to ``path``, whole or not at all."""
    write_json(path, soak_json(result))


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "checks": list(finding.checks),
        "broken": [_broken(b) for b in finding.broken],
        "history": [_operation(o) for o in finding.history],
        "handed_over": None if finding.handed_over is None else _hand_over(finding.handed_over),
    }


def _broken(broken: Broken) -> dict[str, Any]:
    return {"check": broken.check, "job": broken.job, "user": broken.user, "row": dict(broken.row)}


def _operation(operation: Operation) -> dict[str, Any]:
    return {
        "number": operation.number,
        "worker": operation.worker,
        "call": operation.kind.value,
        "job": operation.job.job,
        "user": operation.job.user,
        "amount": operation.job.amount,
        "begin_s": round(operation.begin_s, 6),
        "end_s": round(operation.end_s, 6),
        "outcome": operation.outcome,
        "answer": operation.answer,
        "sqlstate": operation.sqlstate,
        "fault": operation.fault.value if operation.fault else None,
    }


def _hand_over(told: HandOver) -> dict[str, Any]:
    return {
        "scenario": told.scenario,
        "verdict": told.verdict.value,
        "schedules": told.schedules,
        "meaning": told.meaning,
        "replay": told.replay,
        "check": told.check,
        "same": told.same,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
