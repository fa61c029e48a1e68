"""Planted bugs: for every check a scenario that is broken in one place, and the same scenario put right.

A bug is either in the SQL (``planted`` replaces a function that is shipped) or in the workers (``bad`` replaces the
scenario's own). Races within one function cannot be scheduled, so each bug shows between client statements.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harness.model import ScenarioResult
from harness.resources import shipped

_SQL = shipped("sql")
_REFUND_JOB = (_SQL / "migrations" / "migration_atomic_job_refund.sql").read_text(encoding="utf-8")
_BALANCE = (_SQL / "migrations" / "03_balance_functions.sql").read_text(encoding="utf-8")
AS_DESCRIBED = (_SQL / "variants" / "as_described.sql").read_text(encoding="utf-8")

Changes = tuple[tuple[str, str], ...]
Spec = dict[str, Any]
RunCampaign = Callable[..., ScenarioResult]


def changed(text: str, *changes: tuple[str, str]) -> str:
    """``text`` with replacements, each of which must find its place."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def refund(job: str = "j1", user: str = "alice", amount: int = 1000) -> Spec:
    return {"refund": {"job": job, "user": user, "amount": amount}}


def charge(amount: int, job: str = "j9") -> Spec:
    return {"charge": {"job": job, "user": "alice", "amount": amount}}


def transaction(*statements: Spec | str) -> Spec:
    return {"role": "service_role", "transaction": list(statements)}


def autocommit(*statements: Spec | str) -> Spec:
    return {"role": "service_role", "statements": list(statements)}


def words(result: ScenarioResult) -> str:
    found = [f"{v.check}: {v.message} {v.witness}" for c in result.checks for v in c.violations]
    return "\n".join([result.meaning, *found])


ONE_JOB = [{"charge": {"job": "j1", "user": "alice", "opening": 5000, "amount": 1000}}]
TWO_JOBS = [*ONE_JOB, {"charge": {"job": "j2", "user": "alice", "amount": 700}}]
TWO_USERS = [*ONE_JOB, {"charge": {"job": "j2", "user": "bob", "opening": 5000, "amount": 1000}}]
RETRIED = {"a": transaction(refund()), "b": transaction(refund())}
BOTH_JOBS = {"a": transaction(refund("j1")), "b": transaction(refund("j2", amount=700))}
COMPLETED = {"a": transaction({"complete": {"job": "j1", "user": "alice"}}), "b": transaction(refund())}
LOCKED_ORDER = ["a.begin", "a.refund", "b.begin", {"b.refund": "blocked"}, "a.commit", "b.commit"]

NO_JOB_LOCK = changed(_REFUND_JOB, ("FOR UPDATE;", ";"))
NO_BALANCE_LOCK = changed(_BALANCE, ("FOR UPDATE;", ";"))
STALE_WRITE = changed(NO_BALANCE_LOCK, ("SET balance = b.balance + p_amount", "SET balance = v_before + p_amount"))
MARKS_THE_CHARGE = changed(
    _REFUND_JOB,
    ("  RETURN jsonb_build_object(\n    'success', true",
     "  UPDATE public.balance_transactions SET description = 'refunded'\n"
     "  WHERE metadata ->> 'job_id' = p_job_id AND type = 'generation';\n"
     "  RETURN jsonb_build_object(\n    'success', true"),
)  # fmt: skip
SWALLOWS_ERRORS = changed(
    _REFUND_JOB,
    ("FOR UPDATE;", "FOR UPDATE NOWAIT;"),
    ("END\n$$;", "EXCEPTION WHEN OTHERS THEN\n"
     "  RETURN jsonb_build_object('success', true, 'refunded', true, 'job_id', p_job_id);\nEND\n$$;"),
)  # fmt: skip
ANSWERS_STALE = changed(
    _REFUND_JOB,
    ("BEGIN\n  IF p_job_id IS NULL", "BEGIN\n  v_charge := (SELECT balance FROM public.user_balances "
     "WHERE user_id = p_user_id);\n  v_refusal := v_refusal || jsonb_build_object('seen', v_charge);\n"
     "  IF p_job_id IS NULL"),
    ("v_refund -> 'new_balance'", "(v_refusal ->> 'seen')::integer + p_amount"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Plant:
    """``bad``: what the broken scenario says otherwise; ``planted``: SQL that only the broken one installs."""

    check: str
    race: str
    workers: Spec
    setup: list[Spec] = field(default_factory=lambda: ONE_JOB)
    planted: str = ""
    bad: Spec = field(default_factory=dict)
    more: Spec = field(default_factory=dict)
    invariants: list[str] = field(default_factory=list)

    @property
    def right(self) -> Spec:
        return {"setup": self.setup, "workers": self.workers, "invariants": self.invariants, **self.more}

    @property
    def broken(self) -> Spec:
        return {**self.right, "workers": {**self.workers, **self.bad}}


def invariant(check: str, race: str, workers: Spec, **more: Any) -> Plant:
    return Plant(check=check, race=race, workers=workers, invariants=[check], **more)


PLANTS = (
    invariant(
        "one_refund_per_job",
        "no FOR UPDATE: b reads `processing` while a's refund is not committed, waits for the balance, and pays again",
        RETRIED, planted=NO_JOB_LOCK),
    invariant("duplicate_refunds", "the same, seen by the monitoring query", RETRIED, planted=NO_JOB_LOCK),
    invariant(
        "balance_matches_ledger", "an absolute write of a balance read before the wait: a's refund is lost",
        BOTH_JOBS, setup=TWO_JOBS, planted=STALE_WRITE),
    invariant(
        "money_conserved", "a second refund that balance and ledger agree on: money from nowhere",
        RETRIED, planted=NO_JOB_LOCK),
    invariant(
        "ledger_chain", "a balance read before the wait stands in the ledger row as the one before",
        BOTH_JOBS, setup=TWO_JOBS, planted=NO_BALANCE_LOCK),
    invariant(
        "no_negative_balance", "the balance is checked before the wait, and nothing else guards it",
        {"a": transaction(charge(3000, "j8")), "b": transaction(charge(3000, "j9"))},
        planted=NO_BALANCE_LOCK + "ALTER TABLE public.user_balances DROP CONSTRAINT user_balances_balance_check;\n"),
    invariant(
        "failed_means_refunded", "the worker marks the job `failed` first and refunds in a second transaction",
        {"a": autocommit(refund()), "b": transaction(refund())},
        bad={"a": autocommit("UPDATE story_jobs SET status = 'failed' WHERE job_id = :'j1'", refund())}),
    invariant(
        "completed_means_no_refund", "only `failed` turns a refund away, so a completed job is refunded and stays so",
        COMPLETED, planted=changed(AS_DESCRIBED, ("SET status = 'failed', error", "SET error"))),
    invariant(
        "execute_privilege", "a GRANT to those whom no REVOKE names",
        RETRIED, planted="GRANT EXECUTE ON FUNCTION public.refund_balance_atomic TO anon;\n"),
    invariant(
        "queue_drained", "NOWAIT on the balance: b's refund of another job errors, and its worker drops the error",
        BOTH_JOBS, setup=TWO_JOBS, planted=changed(_BALANCE, ("FOR UPDATE;", "FOR UPDATE NOWAIT;"))),
    invariant(
        "refund_matches_charge", "the refund goes to whoever is named",
        {"a": transaction(refund()), "b": transaction(refund(user="bob"))}, setup=TWO_USERS, planted=AS_DESCRIBED),
    Plant(
        check="acknowledged_refunds",
        race="the lock is not waited for, and the error becomes a success: nothing was paid when a rolls back",
        workers={"a": autocommit("BEGIN", refund(), "ROLLBACK"), "b": transaction(refund())},
        planted=SWALLOWS_ERRORS),
    Plant(
        check="append_only", race="the refund writes on the ledger row of the charge",
        workers=RETRIED, planted=MARKS_THE_CHARGE),
    Plant(
        check="status_forward", race="a stale delivery sets a job that has failed back to `processing`",
        workers={
            "a": transaction(refund()),
            "b": autocommit("UPDATE story_jobs SET status = 'processing' WHERE job_id = :'j1' AND status = 'pending'")},
        bad={"b": autocommit("UPDATE story_jobs SET status = 'processing' WHERE job_id = :'j1'")}),
    Plant(
        check="answer", race="a refusal is raised instead of answered",
        workers=RETRIED,
        more={"orders": [LOCKED_ORDER], "expect": {"a": {"success": True}, "b": {"success": False}}},
        planted=changed(_REFUND_JOB, (
            "RETURN v_refusal || jsonb_build_object('error', 'Job already failed and refunded')",
            "RAISE EXCEPTION 'already refunded'"))),
    Plant(
        check="blocking", race="SKIP LOCKED: the retry does not wait and is told that there is no such job",
        workers=RETRIED, more={"orders": [LOCKED_ORDER]},
        planted=changed(_REFUND_JOB, ("FOR UPDATE;", "FOR UPDATE SKIP LOCKED;"))),
    Plant(
        check="blocking", race="under REPEATABLE READ the retry that waited fails, and its COMMIT is never sent",
        workers=RETRIED, more={"orders": [LOCKED_ORDER]},
        bad={"b": {**transaction(refund()), "isolation": "repeatable read"}}),
    Plant(
        check="serial_equivalence", race="no FOR UPDATE, and no invariant at all",
        workers=RETRIED, planted=NO_JOB_LOCK),
    Plant(
        check="ledger_model", race="the answer is computed from a balance read before the wait; the ledger is right",
        workers=BOTH_JOBS, setup=TWO_JOBS, invariants=["ledger"], planted=ANSWERS_STALE, more={"model": "refunds"}),
    Plant(
        check="deadlock", race="two workers take the same two jobs in opposite order",
        setup=TWO_USERS,
        workers={"a": transaction(refund(), refund("j2", "bob")), "b": transaction(refund(), refund("j2", "bob"))},
        bad={"b": transaction(refund("j2", "bob"), refund())}),
    Plant(
        check="liveness", race="a worker forgets COMMIT: its session stays in the transaction",
        workers={"a": autocommit("BEGIN", refund(), "COMMIT"), "b": autocommit(refund())},
        bad={"a": autocommit("BEGIN", refund())}),
    Plant(
        check="liveness", race="a worker forgets its advisory lock: the session holds it for ever",
        workers={"a": autocommit("SELECT pg_advisory_lock(1)", refund(), "SELECT pg_advisory_unlock(1)"),
                 "b": autocommit(refund())},
        bad={"a": autocommit("SELECT pg_advisory_lock(1)", refund())}),
)  # fmt: skip
STALE_ANSWER = Plant(
    check="serial_answers", race="the answer is computed from a balance read before the wait; the ledger is right",
    workers=BOTH_JOBS, setup=TWO_JOBS, invariants=["ledger"], planted=ANSWERS_STALE)  # fmt: skip
