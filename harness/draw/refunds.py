"""The shipped refund system as one to draw cases for, and its three calls."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from harness.draw.calls import Called
from harness.draw.system import System, dumped_entry
from harness.model import Call, Statement
from harness.scenario.macros import call_statement

ROLE = "service_role"


def refunds(
    jobs: Mapping[str, str], *, opening: int = 5000, replaced_by: Sequence[str | os.PathLike[str]] = ()
) -> System:
    """``jobs``: job → its user. Every job is `processing` and not charged yet; every user has ``opening`` credits.

    ``replaced_by``: SQL files to install on top, with functions of one's own in place of the shipped ones. Judged by
    the invariants of the ledger and by the plain Python ledger of `harness.checks.refund_model`.
    """
    users = tuple(dict.fromkeys(jobs.values()))
    accounts = [dumped_entry({"user": {"name": user, "balance": opening}}) for user in users]
    return System(
        name="refunds",
        install=("migrations", *(str(Path(p).resolve()) for p in replaced_by)),
        setup=(*accounts, *(dumped_entry({"job": {"job": job, "user": user}}) for job, user in jobs.items())),
        ledger=True,
        users=users,
        jobs=tuple(jobs),
        model="refunds",
    )


def charge(job: str, user: str, amount: int) -> Called:
    """Take the price of a job from its user."""
    return _called("charge", job, user, {"amount": amount})


def refund(job: str, user: str, amount: int) -> Called:
    """Fail a job and pay its price back."""
    return _called("refund", job, user, {"amount": amount, "error": "generation failed"})


def complete(job: str, user: str) -> Called:
    """Deliver a job."""
    return _called("complete", job, user, {"story": "story-1"})


def _called(kind: str, job: str, user: str, given: dict[str, str | int]) -> Called:
    said = {"job": job, "user": user, **{k: v for k, v in given.items() if k == "amount"}}
    return Called(
        statement=_statement(kind, job, user, tuple(given.items())), entry={kind: said}, name=kind, values=said
    )


@cache
def _statement(kind: str, job: str, user: str, given: tuple[tuple[str, str | int], ...]) -> Statement:
    amount = dict(given).get("amount")
    call = Call(kind=kind, job=job, user=user, amount=amount if isinstance(amount, int) else None)
    return call_statement(call, dict(given))
