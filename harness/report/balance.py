"""A ledger in a few characters: the balances after a turn or, where there are none, how many rows changed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping

from harness.model import Json, Ledger, Row
from harness.report.text import one_line, value_text

MAX_SHOWN = 4
_OWNER_COLUMNS = ("user_id", "user", "account_id", "owner", "name", "id")


class Balances:
    """Reads the balances of one history's ledgers.

    The table is `user_balances`; without one, the first table all of whose rows have a number named `balance`.
    """

    def __init__(self, ledgers: Iterable[Ledger]) -> None:
        found = list(ledgers)
        self._table = _balance_table(found)
        self._owners = {owner_of(row) for ledger in found for row in ledger.get(self._table or "", ())}

    @property
    def title(self) -> str:
        """The heading of the column: "balance" or "rows changed"."""
        return "rows changed" if self._table is None else "balance"

    def text(self, ledger: Ledger, before: Ledger | None) -> str:
        """`5000`, `alice 5000, bob 3000` or, without balances, the changes since `before` (`orders 1`)."""
        if self._table is None:
            return "" if before is None else changes_text(before, ledger)
        rows = ledger.get(self._table, ())
        if len(rows) == len(self._owners) == 1:  # no doubt whose it is
            return value_text(rows[0].get("balance"), 24)
        shown = [f"{owner_of(row)} {value_text(row.get('balance'), 24)}" for row in rows[:MAX_SHOWN]]
        more = len(rows) - MAX_SHOWN
        return ", ".join([*shown, f"{more} more"] if more > 0 else shown)

    def numbers(self, ledger: Ledger) -> Mapping[str, float]:
        """Owner → balance, for drawing; what is not a number is left out."""
        rows = () if self._table is None else ledger.get(self._table, ())
        found = {owner_of(row): number_of(row.get("balance")) for row in rows}
        return {owner: number for owner, number in found.items() if number is not None}


def changes_text(before: Ledger, after: Ledger) -> str:
    """`accounts 1, orders 2`: per table how many rows were added, removed or changed; "" when none was."""
    changed = []
    for table in dict.fromkeys([*before, *after]):
        old, new = _count(before.get(table, ())), _count(after.get(table, ()))
        number = max((old - new).total(), (new - old).total())
        if number:
            changed.append(f"{one_line(table, 30)} {number}")
    more = len(changed) - MAX_SHOWN
    return ", ".join([*changed[:MAX_SHOWN], f"{more} more"] if more > 0 else changed)


def row_key(row: Row) -> str:
    """Equal for equal rows."""
    return json.dumps(row, sort_keys=True, default=str)


def _count(rows: Iterable[Row]) -> Counter[str]:
    return Counter(row_key(dict(row)) for row in rows)


def _balance_table(ledgers: list[Ledger]) -> str | None:
    if any("user_balances" in ledger for ledger in ledgers):
        return "user_balances"
    for table in dict.fromkeys(table for ledger in ledgers for table in ledger):
        rows = [row for ledger in ledgers for row in ledger.get(table, ())]
        if rows and all(number_of(row.get("balance")) is not None for row in rows):
            return table
    return None


def owner_of(row: Row) -> str:
    """Whose balance a row tells of; "?" when it names nobody."""
    others = (column for column in row if column != "balance")
    column = next((column for column in _OWNER_COLUMNS if column in row), None) or next(others, None)
    return value_text(row[column], 16) if column else "?"


def number_of(value: Json) -> float | None:
    """A balance as a number that can be drawn; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)  # numeric columns may arrive as text
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 1e18 else None  # neither infinity nor NaN can be drawn
