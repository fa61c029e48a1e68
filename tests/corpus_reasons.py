"""Why each broken case of the corpus breaks, by the table of its race: the first reason of every counterexample."""

from __future__ import annotations

from harness.model import ReasonKind

UNREADABLE = frozenset(
    {
        "begin_atomic",  # one step: its texts are in no history
        "deadlock_swallowed",  # nobody read anything old
        "dynamic_sql",  # the text is computed
        "fallback_marks_failed",  # the error is caught inside the function
        "skip_locked_misread",  # the row was passed over, not read
        "stable_helper",  # reads inside a STABLE function, which has no points
        "view_and_partition",  # what a view reads stands in no text
    }
)
"""Cases whose violations say nothing of themselves, and of which no history tells the cause: none may be told."""

EXPECTED: dict[str, tuple[ReasonKind, str, tuple[str, ...]]] = {
    "advisory_same_statement": (ReasonKind.UNSEEN, "refunds", ()),
    "advisory_wrong_key": (ReasonKind.OVERWRITTEN, "accounts", ("balance",)),
    "block_lets_lock_go": (ReasonKind.STALE_READ, "jobs", ("status",)),
    "check_and_mark_apart": (ReasonKind.STALE_READ, "jobs", ("status",)),
    "check_then_act": (ReasonKind.STALE_READ, "jobs", ("status",)),
    "chosen_before_lock": (ReasonKind.STALE_READ, "payouts", ("state",)),
    "claim_by_subselect": (ReasonKind.STALE_READ, "payouts", ("state",)),
    "completed_is_refunded": (ReasonKind.ALONE, "", ()),
    "coupon_three_workers": (ReasonKind.UNSEEN, "uses", ()),
    "cursor_unlocked": (ReasonKind.OVERWRITTEN, "lots", ("remaining",)),
    "declare_reads": (ReasonKind.STALE_READ, "accounts", ("balance",)),
    "deferred_trigger": (ReasonKind.UNSEEN, "spends", ()),
    "elsif_condition": (ReasonKind.STALE_READ, "jobs", ("status",)),
    "empty_search_path": (ReasonKind.STALE_READ, "jobs", ("status",)),
    "first_wallet_swallowed": (ReasonKind.UNSEEN, "wallets", ()),
    "for_in_select": (ReasonKind.STALE_READ, "payouts", ("state",)),
    "insert_then_count": (ReasonKind.UNSEEN, "claims", ()),
    "insert_where_not_exists": (ReasonKind.UNSEEN, "refunds", ()),
    "invoice_max_plus_one": (ReasonKind.UNSEEN, "invoices", ()),
    "labels_and_case": (ReasonKind.STALE_READ, "escrows", ("state",)),
    "limit_in_subselect": (ReasonKind.UNSEEN, "spends", ()),
    "lock_on_missing_row": (ReasonKind.UNSEEN, "refunds", ()),
    "lock_then_old_snapshot": (ReasonKind.UNSEEN, "refunds", ()),
    "lock_too_late": (ReasonKind.STALE_READ, "jobs", ("status",)),
    "merge_refund": (ReasonKind.UNSEEN, "refunds", ()),
    "nested_two_down": (ReasonKind.OVERWRITTEN, "accounts", ("balance",)),
    "not_exists_for_update": (ReasonKind.UNSEEN, "refunds", ()),
    "not_exists_nowait": (ReasonKind.UNSEEN, "refunds", ()),
    "not_exists_one_statement": (ReasonKind.UNSEEN, "refunds", ()),
    "nowait_swallowed": (ReasonKind.OVERWRITTEN, "accounts", ("balance",)),
    "one_line": (ReasonKind.STALE_READ, "points", ("points",)),
    "one_of_two_serializable": (ReasonKind.STALE_READ, "accounts", ("balance",)),
    "overloads": (ReasonKind.STALE_READ, "jobs", ("status",)),
    "partial_refunds": (ReasonKind.UNSEEN, "refunds", ()),
    "partial_refunds_trigger": (ReasonKind.UNSEEN, "refunds", ()),
    "procedure_commits_between": (ReasonKind.STALE_READ, "jobs", ("status",)),
    "report_three_workers": (ReasonKind.UNSEEN, "receipts", ()),
    "rowtype_written_back": (ReasonKind.OVERWRITTEN, "accounts", ("balance", "version")),
    "select_then_delete": (ReasonKind.GONE, "vouchers", ("amount",)),
    "sql_function_race": (ReasonKind.STALE_READ, "jobs", ("status",)),
    "stale_absolute_write": (ReasonKind.OVERWRITTEN, "balances", ("balance",)),
    "temporary_table": (ReasonKind.STALE_READ, "payouts", ("state",)),
    "try_lock_in_statement": (ReasonKind.UNSEEN, "refunds", ()),
    "unique_swallowed": (ReasonKind.UNSEEN, "refunds", ()),
    "update_from": (ReasonKind.STALE_READ, "jobs", ("status",)),
    "upsert_overwrites": (ReasonKind.OVERWRITTEN, "wallets", ("balance",)),
    "weird_names": (ReasonKind.STALE_READ, '"Billing Dept"."User.Balances"', ("Balance",)),
    "while_condition": (ReasonKind.STALE_READ, "grants", ("remaining",)),
    "write_skew_repeatable_read": (ReasonKind.STALE_READ, "accounts", ("balance",)),
}

SELF_EXPLAINED = frozenset({"deadlock", "liveness"})
"""Checks whose messages say who waits for whom and what was left behind."""
