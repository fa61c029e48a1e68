"""One honest sentence on what a scenario's result means, computed from what was executed."""

from __future__ import annotations

from harness.checks.serial import MAX_WORKERS
from harness.model import Scenario, Verdict
from harness.tally import Tally


def meaning(scenario: Scenario, tally: Tally, observed: Verdict, server: str) -> str:
    """What was shown, and what was not."""
    if observed is Verdict.VIOLATION:
        return _violation(scenario, tally)
    if observed is Verdict.INCONCLUSIVE:
        return _inconclusive(tally)
    if scenario.expect_violation:
        missing = _and(scenario.expect_violation)
        return f"{_covered(scenario, tally)}, and {missing}, which this scenario documents, was never violated."
    return f"{_covered(scenario, tally)} on PostgreSQL {server}: no check failed. {_not_covered(scenario, tally)}"


def _violation(scenario: Scenario, tally: Tally) -> str:
    assert tally.first_violation is not None
    at = tally.first_violation[0]
    expected = set(scenario.expect_violation)
    if expected and expected <= tally.seen:
        return f"A known-bad system: {_violated(scenario.expect_violation)} at schedule {at}, as documented."
    missing = sorted(expected - tally.seen)
    if missing:
        return f"{_violated(sorted(tally.seen))}; {_and(missing)}, which this scenario documents, never was."
    return f"{_violated(sorted(tally.seen))} at schedule {at} of {tally.executed}."


def _inconclusive(tally: Tally) -> str:
    if not tally.executed:
        return "Not reached within the budget." if tally.out_of_time else "No schedule was completed."
    if not tally.changed:
        return "No schedule changed the ledger, so nothing was shown."
    return "No two workers ever overlapped on a common table, so nothing was shown about concurrency."


def _covered(scenario: Scenario, tally: Tally) -> str:
    parts = []
    statements = sum(len(w.statements) for w in scenario.workers)
    whole = [f"all {n} orders" for _, n, done in tally.searches if done]
    parts += [f"{text} of the {statements} statements of {len(scenario.workers)} workers" for text in whole]
    parts += [f"{n} schedules by {name}" for name, n, done in tally.searches if not done]
    if tally.orders:
        parts.append(f"{tally.orders} exact {'order' if tally.orders == 1 else 'orders'}")
    text = _and(parts)
    return text[:1].upper() + text[1:] + " executed"


def _not_covered(scenario: Scenario, tally: Tally) -> str:
    said = []
    if len(scenario.workers) > MAX_WORKERS:
        said.append(f"serial equivalence was not judged (more than {MAX_WORKERS} workers)")
    if not tally.exhausted:
        said.append("other orders were not tried")
    if tally.out_of_time:
        said.append("the budget ended before the limits")
    said.append("nothing was interleaved inside a statement")
    text = _and(said)
    return text[:1].upper() + text[1:] + "."


def _violated(checks: list[str] | tuple[str, ...]) -> str:
    return f"{_and(checks)} {'was' if len(checks) == 1 else 'were'} violated"


def _and(parts: list[str] | tuple[str, ...]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
