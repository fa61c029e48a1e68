"""What the harness's own rules ask, in a sentence each, for a reader who meets their names for the first time."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

RULES: Mapping[str, str] = MappingProxyType(
    {
        "serial_equivalence": "The workers may overlap, but the tables must end as if they had run one after another, "
        "in whatever order.",
        "ledger_model": "Some order of the calls must give these answers and this ledger.",
        "deadlock": "No two workers may end up waiting for each other. "
        "Mostly they lock the same rows in different orders.",
        "liveness": "When all is over, nobody waits, no transaction is open and no lock is held.",
        "acknowledged_refunds": "A refund that was acknowledged is there exactly once; one that failed left nothing.",
        "durability": "What was committed before a crash of the server is there after it.",
        "append_only": "A row of the ledger is never changed or removed.",
        "status_forward": "A job that has failed or completed stays so.",
        "balance_matches_ledger": "A balance equals the sum of its user's transactions.",
        "ledger_chain": "Each row of the ledger begins with the balance that the one before it ended with.",
        "one_refund_per_job": "A job is refunded at most once.",
        "duplicate_refunds": "No job has two refunds in the last day.",
        "failed_means_refunded": "A job that was charged and failed is refunded, exactly once.",
        "completed_means_no_refund": "A job that was completed is not refunded.",
        "refund_matches_charge": "Refunds go to whom was charged, and do not exceed the charge.",
        "no_negative_balance": "No balance is below zero.",
        "money_conserved": "No credits appear or vanish.",
        "execute_privilege": "Only the service's own role may execute a function that moves money.",
        "queue_drained": "At the end no job is pending or processing.",
        "declared_answer": "A single call is answered as its scenario says.",
        "ledger_unchanged": "A call that is to change nothing changes nothing.",
        "blocking": "Workers wait where the scenario says that they do, and nowhere else.",
        "answer": "Workers are answered as the scenario says.",
    }
)
