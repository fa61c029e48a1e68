"""What must hold, one entry a check: a condition in SQL over the columns of its source (`sources`)."""

from __future__ import annotations

from dataclasses import dataclass

from harness.audited import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """``title``: what a row means. ``broken``: true, false or NULL (not judged) for a row of the source. ``shown``: the
    columns of the witness. ``credits``: how much money a broken row is about, and ``credits_mean`` what that is."""

    check: str
    title: str
    broken: str
    shown: tuple[str, ...]
    credits: str = "NULL"
    credits_mean: str = ""
    level: Level = Level.FINDING


_PAID = ("job_id", "user_id", "status", "charged", "refunds", "refunded")

# One row per job id, from the jobs table, the ledger, or both. Each fault trips the rule that names it best, and not
# every rule that it bends: a second refund is also more than the charge, which would tell nobody anything.
OF_JOBS = (
    Rule(
        check="one_refund_per_job",
        title="a job was refunded more than once",
        broken="refunds > 1",
        shown=(*_PAID, "last_refund_at"),
        credits="greatest(refunded - charged, 0)",
        credits_mean="paid out beyond the charges",
    ),
    Rule(
        check="refund_matches_charge",
        title="a refund is above what the job was charged",
        broken="refunds = 1 AND charged > 0 AND refunded > charged",
        shown=_PAID,
        credits="refunded - charged",
        credits_mean="paid out beyond the charges",
    ),
    Rule(
        check="refund_without_charge",
        title="a job was refunded that nobody was charged for",
        broken="refunds = 1 AND charges = 0",
        shown=_PAID,
        credits="refunded",
        credits_mean="paid out for nothing",
    ),
    Rule(
        check="completed_not_refunded",
        title="a job was completed and refunded: its user has the story and the money",
        broken="completed AND refunds > 0",
        shown=_PAID,
        credits="refunded",
        credits_mean="paid out for completed jobs",
    ),
    Rule(
        check="failed_means_refunded",
        title="a charged job failed and was never refunded",
        broken="failed AND charged > 0 AND refunds = 0",
        shown=_PAID,
        credits="charged",
        credits_mean="owed to users",
    ),
    Rule(
        check="refunded_means_failed",
        title="a job was refunded and is neither failed nor completed: a worker may finish it, or refund it again",
        broken="refunds > 0 AND NOT failed AND NOT completed",
        shown=_PAID,
        credits="refunded",
        credits_mean="paid out",
    ),
    Rule(
        check="wrong_user",
        title="a charge or refund of a job went to somebody other than the job's user",
        broken="users_differ",
        shown=(*_PAID, "booked_to"),
        credits="refunded",
        credits_mean="refunded for these jobs",
    ),
    Rule(
        check="orphan_job",
        title="a charge or refund names a job that does not exist",
        broken="NOT known",
        shown=("job_id", "charged", "refunds", "refunded", "booked_to"),
    ),
    Rule(
        check="refund_below_charge",
        title="a refund is below what the job was charged",
        broken="failed AND refunds = 1 AND refunded > 0 AND refunded < charged",
        shown=_PAID,
        credits="charged - refunded",
        credits_mean="kept",
        level=Level.WARNING,
    ),
    Rule(
        check="completed_without_charge",
        title="a job was completed that nobody was charged for: it was free, or the mapping lacks a type of charge",
        broken="completed AND charges = 0",
        shown=("job_id", "user_id", "status"),
        level=Level.WARNING,
    ),
    Rule(
        check="unknown_status",
        title="a job has a status that the mapping does not list",
        broken="status_unknown",
        shown=("job_id", "user_id", "status"),
        level=Level.WARNING,
    ),
)
STUCK = Rule(
    check="stuck_in_processing",
    title="a job is in processing for long: its worker may be gone, its user is charged and waits",
    broken="stuck",
    shown=("job_id", "user_id", "status", "started_at", "charged"),
    credits="charged",
    credits_mean="charged for them",
    level=Level.WARNING,
)

# One row per ledger row; `expected_before` is where the user's row before it ended, NULL for the first.
_ROW = ("user_id", "seq", "type", "job_id", "amount")
SIGN = Rule(
    check="amount_sign",
    title="a charge gives money, or a refund takes it",
    broken="(charge AND amount >= 0) OR (refund AND amount <= 0)",
    shown=_ROW,
)
NO_JOB = Rule(
    check="no_job_id",
    title="a charge or refund names no job: what is checked by job knows nothing of it",
    broken="(charge OR refund) AND job_id IS NULL",
    shown=_ROW,
    credits="abs(amount)",
    credits_mean="in all",
    level=Level.WARNING,
)
INCOMPLETE = Rule(
    check="incomplete_row",
    title="a ledger row lacks its user, type, amount, or a balance that it should say: it cannot be judged",
    broken="incomplete",
    shown=(*_ROW, "balance_before", "balance_after"),
    level=Level.WARNING,
)
ARITHMETIC = Rule(
    check="ledger_arithmetic",
    title="a ledger row does not add up: before + amount is not after",
    broken="balance_after <> balance_before + amount",
    shown=(*_ROW, "balance_before", "balance_after"),
    credits="balance_after - balance_before - amount",
    credits_mean="in all, more than the amounts say",
)
CHAIN = Rule(
    check="ledger_chain",
    title="a ledger row does not start where the user's row before it ended",
    broken="balance_before <> expected_before",
    shown=(*_ROW, "expected_before", "balance_before", "balance_after"),
    credits="balance_before - expected_before",
    credits_mean="in all, appeared between rows",
)
NEGATIVE_ROW = Rule(
    check="no_negative_balance",
    title="a balance was below zero according to the ledger",
    broken="balance_after < 0 OR (balance_before < 0 AND NOT coalesce(expected_before < 0, false))",
    shown=(*_ROW, "balance_before", "balance_after"),
)

# One row per user, from the balances table, the ledger, or both. `closing` is where the ledger of the user ends.
# Together with chain and arithmetic this says that the balance is the sum of the rows: adding up the differences along
# an unbroken chain leaves closing - opening. Comparing with the sum itself would report every broken chain twice.
BALANCE = Rule(
    check="balance_matches_ledger",
    title="a balance is not what the user's ledger ends with",
    broken="has_balance AND closing IS NOT NULL AND balance IS DISTINCT FROM closing",
    shown=("user_id", "balance", "closing", "moved", "entries"),
    credits="balance - closing",
    credits_mean="in all, more than the ledger says",
)
ORPHAN_USER = Rule(
    check="orphan_user",
    title="the ledger has rows of a user who has no balance",
    broken="NOT has_balance",
    shown=("user_id", "closing", "moved", "entries"),
)
NEGATIVE_BALANCE = Rule(
    check="no_negative_balance",
    title="a balance is below zero",
    broken="balance < 0",
    shown=("user_id", "balance"),
    credits="balance",
    credits_mean="in all",
)
NO_ORDER = Rule(
    check="ledger_chain",
    title="a user's ledger rows make no chain in any order: some row starts where none ended",
    broken="starts > 1",
    shown=("user_id", "starts", "balance", "moved", "entries"),
)
