"""The refund system as a plain Python ledger: what its functions answer and leave when nothing else is going on.

Written after ``sql/migrations`` and the table of refusals in ``sql/README.md``, and apart from them: no lock, no
transaction, no snapshot, one call at a time. Users and jobs are known by name, as histories name them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from harness.model import Call, Json, Row
from harness.model import Ledger as Rows

INT4_MIN: Final = -(2**31)
INT4_MAX: Final = 2**31 - 1
DENIED: Final = "42501"
NO_SUCH_FUNCTION: Final = "42883"

MAY_CALL: Final = (None, "service_role")
"""Roles that may execute the functions; None is the owner."""
MAY_NOT_CALL: Final = ("anon", "authenticated", "public")
"""Roles that may not. Of any other role a scenario alone does not tell."""

Answer = Mapping[str, Json]
"""A function's JSON object; ``{"sqlstate": …}`` where the statement fails."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job. ``words``: the story of a completed job, the error message of a failed one."""

    user: str
    status: str = "processing"
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the ledger (``balance_transactions``); ``amount`` is signed, ``job`` is what its metadata names."""

    type: str
    amount: int
    before: int
    after: int
    job: str | None = None


class Ledger:
    """Balances by user, jobs by name, and each user's ledger rows in the order in which they were written.

    ``charge``, ``refund`` and ``complete`` change it as the SQL functions change theirs, and return the same JSON
    object (a dict with the same keys). Arguments may be None where SQL's may be NULL; amounts are within int4. The
    order of rows of *different* users is not kept: nothing in the system depends on it.

    Equal when they hold the same; the hash is that of what it holds now, so a ledger in a set must not be changed.
    """

    __slots__ = ("balances", "entries", "jobs")

    def __init__(
        self,
        balances: Mapping[str, int] | None = None,
        jobs: Mapping[str, Job] | None = None,
        entries: Mapping[str, Iterable[Entry]] | None = None,
    ) -> None:
        self.balances: dict[str, int] = dict(balances or {})
        self.jobs: dict[str, Job] = dict(jobs or {})
        self.entries: dict[str, tuple[Entry, ...]] = {u: tuple(e) for u, e in (entries or {}).items()}

    @classmethod
    def read(cls, rows: Rows) -> Ledger:
        """The ledger in ``rows``: those of the queries in ``sql/state``, with names in place of ids. Raises `KeyError`
        for a table or a column that is missing."""
        made = cls({str(row["user_id"]): row["balance"] for row in rows["user_balances"]})
        for row in rows["story_jobs"]:
            words = {"completed": row["story_id"], "failed": row["error"]}.get(row["status"])
            made.jobs[str(row["job_id"])] = Job(str(row["user_id"]), row["status"], words)
        for row in sorted(rows["balance_transactions"], key=_seq):
            job = (row["metadata"] or {}).get("job_id")
            made._write(
                str(row["user_id"]),
                Entry(row["type"], row["amount"], row["balance_before"], row["balance_after"], job),
            )
        return made

    def charge(self, user: str | None, job: str | None, amount: int | None) -> Answer:
        """``deduct_balance_atomic``: takes ``amount`` for ``job``, which need not exist."""
        if user is None:
            return _refused("User id is required")
        if amount is None or amount <= 0:
            return _refused("Amount must be positive")
        before = self.balances.get(user)
        if before is None:
            return _refused("User not found")
        if before < amount:
            return _refused("Insufficient balance", balance=before)
        return self._move(user, "generation", -amount, before, job)

    def refund(self, job: str | None, user: str | None, amount: int | None, error: str | None = None) -> Answer:
        """``refund_job_atomic``: fails the job and gives its charge back, both or neither."""
        status = {"refunded": False, "job_id": job}
        if job is None:
            return _refused("Job id is required", **status)
        if user is None:
            return _refused("User id is required", **status)
        if amount is None or amount <= 0:
            return _refused("Amount must be positive", **status)
        found = self.jobs.get(job)
        if found is None:
            return _refused("Job not found", **status)
        if found.user != user:
            return _refused("Job belongs to another user", **status)
        if found.status == "failed":
            return _refused("Job already failed and refunded", **status)
        if found.status == "completed":
            return _refused("Job already completed", **status)
        charges = [-e.amount for e in self.entries.get(user, ()) if e.type == "generation" and e.job == job]
        if not charges or sum(charges) != amount:
            return _refused("Amount differs from the charge", **status)
        before = self.balances.get(user)
        if before is None:
            return _refused("User not found", **status)
        if before + amount > INT4_MAX:
            return _refused("Balance would overflow", **status)
        self._move(user, "refund", amount, before, job)
        self.jobs[job] = Job(user, "failed", error)
        return {"success": True, "refunded": True, "job_id": job, "amount": amount, "new_balance": before + amount}

    def complete(self, job: str | None, user: str | None, story: str | None = "story-1") -> Answer:
        """``complete_job_atomic``: stores the story, unless the job has ended before."""
        status = {"completed": False, "job_id": job}
        if job is None:
            return _refused("Job id is required", **status)
        if user is None:
            return _refused("User id is required", **status)
        if not story:
            return _refused("Story id is required", **status)
        found = self.jobs.get(job)
        if found is None:
            return _refused("Job not found", **status)
        if found.user != user:
            return _refused("Job belongs to another user", **status)
        if found.status == "failed":
            return _refused("Job already failed", **status)
        if found.status == "completed":
            return _refused("Job already completed", **status)
        self.jobs[job] = Job(user, "completed", story)
        return {"success": True, "completed": True, "job_id": job, "story_id": story}

    def copy(self) -> Ledger:
        """Another one that holds the same."""
        return Ledger(self.balances, self.jobs, self.entries)

    def without_words(self) -> Ledger:
        """A copy that does not know what stories and error messages said."""
        return Ledger(self.balances, {name: Job(j.user, j.status) for name, j in self.jobs.items()}, self.entries)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ledger):
            return NotImplemented
        return (self.balances, self.jobs, self.entries) == (other.balances, other.jobs, other.entries)

    def __hash__(self) -> int:
        return hash((frozenset(self.balances.items()), frozenset(self.jobs.items()), frozenset(self.entries.items())))

    def __repr__(self) -> str:
        return f"Ledger({self.balances!r}, {self.jobs!r}, {self.entries!r})"

    def _move(self, user: str, type_: str, amount: int, before: int, job: str | None) -> Answer:
        after = self.balances[user] = before + amount
        self._write(user, Entry(type_, amount, before, after, job))
        return {"success": True, "amount": abs(amount), "old_balance": before, "new_balance": after}

    def _write(self, user: str, entry: Entry) -> None:
        self.entries[user] = (*self.entries.get(user, ()), entry)


def perform(ledger: Ledger, call: Call, *, role: str | None, words: str | None) -> Answer:
    """The call as a statement of a worker with this role: ``ledger`` is changed, the answer returned.

    ``words``: the story or the error message that the statement carries.
    """
    # A literal beyond int4 is a bigint, and there is no function of that name with a bigint. The server looks for the
    # function first, and for the right to call it then.
    if call.amount is not None and not INT4_MIN <= call.amount <= INT4_MAX:
        return {"sqlstate": NO_SUCH_FUNCTION}
    if role not in MAY_CALL:
        return {"sqlstate": DENIED}
    if call.kind == "charge":
        return ledger.charge(call.user, call.job, call.amount)
    if call.kind == "refund":
        return ledger.refund(call.job, call.user, call.amount, words)
    assert call.kind == "complete", call.kind
    return ledger.complete(call.job, call.user, words)


def _refused(error: str, **more: Any) -> Answer:
    return {"success": False, **more, "error": error}


def _seq(row: Row) -> int:
    seq: int = row["seq"]
    return seq
