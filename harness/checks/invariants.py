"""SQL invariants: a query per rule, and every row it returns is a witness."""

from __future__ import annotations

from collections.abc import Sequence

from harness.checks.canonical import GENERATED, Canonical
from harness.checks.protocol import Context
from harness.model import CheckResult, Json, Row, Violation

ASSERTION = "assertion"
"""The column in which such a function's words stand."""
_COLUMNS = 3
_VALUE = 30


def sql_invariants(context: Context) -> tuple[CheckResult, ...]:
    """One result per invariant of the scenario."""
    found = context.probe.invariants()
    results = []
    for script in context.scenario.invariants:
        rows = tuple(Canonical().row(r) for r in found[script.name])
        violation = Violation(
            check=script.name,
            message=script.about or _asserted(rows) or f"the invariant {script.name} is broken{_shown(rows)}",
            witness=rows,
        )
        results.append(CheckResult(check=script.name, examined=1, violations=(violation,) if rows else ()))
    return tuple(results)


def _asserted(rows: Sequence[Row]) -> str:
    """The words of an invariant that is a function of somebody's own, and says itself what is wrong."""
    return str(rows[0].get(ASSERTION, "")) if rows else ""


def _shown(rows: Sequence[Row]) -> str:
    """The first row, which is more than the bare name of a rule that nobody has put into words."""
    plain = [(column, _text(value)) for column, value in (rows[0].items() if rows else ())]
    told = [f"{column} {value}" for column, value in plain if len(value) <= _VALUE and not GENERATED.search(value)]
    more = f" and {len(rows) - 1} more row{'s' if len(rows) > 2 else ''}" if len(rows) > 1 else ""
    return f": {', '.join(told[:_COLUMNS])}{more}" if told else ""


def _text(value: Json) -> str:
    return "null" if value is None else " ".join(str(value).split())
