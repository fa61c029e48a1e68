"""Names that have a meaning in scenario files: of checks, and of what is shipped. Nothing heavy is loaded here."""

MIGRATIONS = "migrations"

LEDGER_INVARIANTS = (
    "balance_matches_ledger",
    "ledger_chain",
    "one_refund_per_job",
    "failed_means_refunded",
    "completed_means_no_refund",
    "refund_matches_charge",
    "no_negative_balance",
    "money_conserved",
)
"""What ``invariants: [ledger]`` stands for, in the order in which they are reported."""

HISTORY_CHECKS = (
    "durability",
    "acknowledged_refunds",
    "append_only",
    "status_forward",
    "answer",
    "blocking",
    "ledger_model",
    "serial_equivalence",
    "deadlock",
    "liveness",
)
CASE_CHECKS = ("declared_answer", "ledger_unchanged")
"""Of single calls alone."""
ALL_CHECKS = (*LEDGER_INVARIANTS, *HISTORY_CHECKS, *CASE_CHECKS)
