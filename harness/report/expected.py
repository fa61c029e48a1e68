"""What balances should have been in the end, as far as the witness of a violation says so."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from harness.model import Row, Violation
from harness.report.balance import number_of, owner_of

MOST = 4
"""More right answers than these say nothing that a line could show."""


def expected_balances(violations: Iterable[Violation], owners: Collection[str]) -> Mapping[str, tuple[float, ...]]:
    """Of ``owners``, each with the balances that would be right, ascending: what the serial orders end with, else what
    the owner's own ledger rows add up to. Empty where no witness says."""
    found: dict[str, tuple[float, ...]] = {}
    rows = [row for violation in violations for row in violation.witness]
    for row in sorted(rows, key=lambda row: "serial" not in row):  # the first word counts
        said = _serial(row) if "serial" in row else _added_up(row)
        if said is not None and said[0] in owners and 0 < len(said[1]) <= MOST:
            found.setdefault(*said)
    return found


def _serial(row: Row) -> tuple[str, tuple[float, ...]] | None:
    """Of serial equivalence: ``row`` names whose it is, ``serial`` lists what serial orders end with."""
    owner, values = row.get("row"), row["serial"]
    if row.get("column") != "balance" or not isinstance(owner, dict) or not isinstance(values, list):
        return None
    numbers = {number for number in map(number_of, values) if number is not None}
    return owner_of(owner), tuple(sorted(numbers))


def _added_up(row: Row) -> tuple[str, tuple[float, ...]] | None:
    """Of the invariant that a balance is what its ledger rows add up to."""
    number = number_of(row.get("expected_balance"))
    return None if number is None else (owner_of(row), (number,))
