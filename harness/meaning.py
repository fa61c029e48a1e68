"""One honest sentence on what a scenario's result means, computed from what was executed."""

from __future__ import annotations

from collections.abc import Sequence

from harness.checks.serial import MAX_WORKERS
from harness.model import Follow, Scenario, Verdict
from harness.tally import Searched, Tally

_NAMED = 3
_ADAPTED = "adapted: the saved choices no longer fit exactly"


def meaning(scenario: Scenario, tally: Tally, observed: Verdict, server: str, followed: Sequence[bool] = ()) -> str:
    """What was shown, and what was not. ``followed``: per execution of followed choices, whether it was adapted."""
    if observed is Verdict.VIOLATION:
        return _violation(scenario, tally, followed)
    if observed is Verdict.INCONCLUSIVE:
        return _inconclusive(tally)
    covered = _covered(scenario, tally, followed)
    if scenario.expect_violation:
        missing = _and(scenario.expect_violation)
        return f"{covered}, and {missing}, which this scenario documents, was never violated."
    shown = "no violation is possible at these points" if _proved(tally) else "no check failed"
    return f"{covered} on PostgreSQL {server}: {shown}. {_not_covered(scenario, tally)}".rstrip()


def _violation(scenario: Scenario, tally: Tally, followed: Sequence[bool]) -> str:
    assert tally.first_violation is not None
    at = tally.first_violation[0]
    expected = set(scenario.expect_violation)
    if expected and expected <= tally.seen:
        return f"A known-bad system: {_violated(scenario.expect_violation)} at schedule {at}, as documented."
    missing = sorted(expected - tally.seen)
    if missing:
        return f"{_violated(sorted(tally.seen))}; {_and(missing)}, which this scenario documents, never was."
    for search in tally.searches:
        if hits := search.facts.get("hits"):
            return (
                f"{_violated(sorted(tally.seen))} in {hits:.0f} of {_times(search.executed)} in which the workers were "
                "released together: a chance, which differs from run to run, and cannot be replayed."
            )
    if tally.serially:
        return f"Broken even serially: {_violated(sorted(tally.seen))} with the workers one after the other."
    adapted = f" ({_ADAPTED})" if followed and all(followed) and len(followed) == tally.executed else ""
    return f"{_violated(sorted(tally.seen))} at schedule {at} of {tally.executed}{adapted}."


def _inconclusive(tally: Tally) -> str:
    if not tally.executed:
        return "Not reached within the budget." if tally.out_of_time else "No schedule was completed."
    if not tally.changed:
        return "No schedule changed the ledger, so nothing was shown."
    return "No two workers ever overlapped on a common table, so nothing was shown about concurrency."


def _proved(tally: Tally) -> bool:
    """Every interleaving at every point that there is was executed, or one that is equivalent to it."""
    return tally.exhausted and any(s.inside for s in tally.searches)


def _covered(scenario: Scenario, tally: Tally, followed: Sequence[bool]) -> str:
    parts = [_search(scenario, tally, s) for s in tally.searches]
    if tally.orders:
        orders = f"{tally.orders} exact {'order' if tally.orders == 1 else 'orders'}"
        parts.append(f"{orders} executed" if not parts else orders)
    if followed:
        text = f"{len(followed)} followed {'schedule' if len(followed) == 1 else 'schedules'}"
        text = text if parts else f"{text} executed"
        if adapted := sum(followed):
            text += f" ({_ADAPTED})" if adapted == len(followed) else f" ({adapted} {_ADAPTED})"
        parts.append(text)
    text = _and(parts)
    return text[:1].upper() + text[1:]


def _search(scenario: Scenario, tally: Tally, search: Searched) -> str:
    workers = len(scenario.workers)
    if search.exhausted:
        calls = sum(len(w.statements) for w in scenario.workers)
        sent = "statements" if any(w.program for w in scenario.workers) else f"{calls} statements"
        what = f"{sent} of {workers} workers"
        if search.inside:
            return (
                f"every interleaving of the {what} at their {tally.coverage.points} points was covered by "
                f"{_times(search.executed)}"
            )
        return f"every order of the {what} was covered by {_times(search.executed)}"
    text = f"{search.executed:,} schedules by {search.strategy} executed"
    facts = search.facts
    if "missed" in facts:
        text += (
            f" (a given race of depth {facts['depth']:.0f} among n={facts['n']:.0f} workers and at most "
            f"k={facts['k']:.0f} points is missed by pct with probability below {facts['missed']:.2g})"
        )
    if "released" in facts:
        text += " (released together, in no order: a chance, not a proof)"
    return text


def _times(executions: int) -> str:
    return "1 execution" if executions == 1 else f"{executions:,} executions"


def _not_covered(scenario: Scenario, tally: Tally) -> str:
    said = []
    if len(scenario.workers) > MAX_WORKERS:
        said.append(f"serial equivalence was not judged (more than {MAX_WORKERS} workers)")
    if not tally.exhausted:
        said.append("other orders were not tried")
    if tally.out_of_time:
        said.append("the budget ended before the limits")
    followed_inside = any(isinstance(i, Follow) and i.inside for i in scenario.interleavings)
    if not followed_inside and not any(s.inside for s in tally.searches):
        said.append("nothing was interleaved inside a statement")
    said += [f"{o.function} ran as one step ({o.reason})" for o in tally.opaque[:_NAMED]]
    if len(tally.opaque) > _NAMED:
        said.append(f"so did {len(tally.opaque) - _NAMED} more functions")
    # Where every class of orders was executed, a point without company is one whose company makes no difference.
    if tally.coverage.steps and not _proved(tally) and (alone := tally.coverage.never_overlapped):
        names = _and([f"{worker}.{step}" for worker, step in alone[:_NAMED]])
        more = f" and {len(alone) - _NAMED} more" if len(alone) > _NAMED else ""
        said.append(f"at {names}{more} no other worker was ever under way")
    text = _and(said)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _violated(checks: list[str] | tuple[str, ...]) -> str:
    return f"{_and(checks)} {'was' if len(checks) == 1 else 'were'} violated"


def _and(parts: list[str] | tuple[str, ...]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
