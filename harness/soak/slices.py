"""From broken rows to findings: one per job or user, each with the smallest piece of history that explains it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.soak.log import Log
from harness.soaked import Broken, Finding, Kind, Operation

_OF_USERS = ("ledger_chain", "balance_matches_ledger", "no_negative_balance")
"""Checks whose rows are about a user's balance, also where they name a job: that balance changes with other jobs."""
_MOST = 12
"""Operations in the history of a finding that is about a user."""


def findings(broken: Sequence[Broken], log: Log) -> tuple[Finding, ...]:
    """Broken rows put together by job, then those about balances by user, then those of the whole ledger; in the order
    in which jobs and users were met first. What has a history comes before what has none."""
    jobs: dict[str, list[Broken]] = {}
    users: dict[str, list[Broken]] = {}
    rest: list[Broken] = []
    for b in broken:
        if b.user and (b.check in _OF_USERS or not b.job):
            users.setdefault(b.user, []).append(b)
        elif b.job:
            jobs.setdefault(b.job, []).append(b)
        else:
            rest.append(b)
    found = [Finding(broken=tuple(rows), history=log.of_job(job)) for job, rows in jobs.items()]
    found += [Finding(broken=tuple(rows), history=_of_balance(rows, log.of_user(u))) for u, rows in users.items()]
    found.sort(key=lambda f: not f.history)
    if not rest:
        return tuple(found)
    if not found:
        return (Finding(broken=tuple(rest), history=()),)
    # Money that appeared is the same money that somebody got twice.
    return (Finding(broken=(*found[0].broken, *rest), history=found[0].history), *found[1:])


def overlap(one: Operation, other: Operation) -> bool:
    """Whether both were under way at the same time."""
    return one is not other and one.begin_s < other.end_s and other.begin_s < one.end_s


def at_the_centre(history: Sequence[Operation]) -> Operation:
    """The one that overlaps most of the others; of several the first. ``history`` is not empty."""
    return max(history, key=lambda o: sum(overlap(o, p) for p in history))


def _of_balance(rows: Sequence[Broken], history: Sequence[Operation]) -> tuple[Operation, ...]:
    """The call that wrote the first row that does not fit, and the user's calls that overlapped it, as far as they may
    have changed the balance. Where no such row is known: around the call that overlapped most."""
    moving = [o for o in history if _moves(o)]
    if not moving:
        return ()
    suspects = [o for b in rows if b.job for o in moving if _wrote(o, b)]
    crowded = [o for o in suspects if any(overlap(o, p) for p in moving)]
    culprit = crowded[0] if crowded else suspects[0] if suspects else at_the_centre(moving)
    around = [culprit, *(o for o in moving if overlap(o, culprit))][:_MOST]
    return tuple(sorted(around, key=lambda o: o.begin_s))


def _wrote(operation: Operation, broken: Broken) -> bool:
    """Whether the row of `ledger_chain` is one that this call writes."""
    charges = dict(broken.row).get("type") == "generation"
    return operation.job.job == broken.job and (operation.kind is Kind.CHARGE) == charges


def _moves(operation: Operation) -> bool:
    """It changed its user's balance, or nobody knows that it did not."""
    if operation.kind is Kind.COMPLETE:
        return False
    return operation.outcome == "info" or (
        operation.outcome == "ok" and (operation.kind is Kind.CHARGE or operation.refunded)
    )
