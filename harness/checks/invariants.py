"""SQL invariants: a query per rule, and every row it returns is a witness."""

from __future__ import annotations

from harness.checks.canonical import Canonical
from harness.checks.protocol import Context
from harness.model import CheckResult, Violation


def sql_invariants(context: Context) -> tuple[CheckResult, ...]:
    """One result per invariant of the scenario."""
    found = context.probe.invariants()
    results = []
    for script in context.scenario.invariants:
        rows = tuple(Canonical().row(r) for r in found[script.name])
        violation = Violation(
            check=script.name,
            message=script.about or f"the invariant {script.name} is broken",
            witness=rows,
        )
        results.append(CheckResult(check=script.name, examined=1, violations=(violation,) if rows else ()))
    return tuple(results)
