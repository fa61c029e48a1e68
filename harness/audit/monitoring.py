"""The runbook's monitoring queries, on the mapping's names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.audit.identities import Identities
from harness.audit.session import Reading, TookTooLong
from harness.audit.sources import Ledger
from harness.audited import Monitored
from harness.errors import UsageError

HIGHEST = 20
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_WINDOW = re.compile(r"([1-9]\d{0,4})([hdw])")


def window(text: str) -> tuple[str, str]:
    """``2d`` → ("2 days" for PostgreSQL, "the last 2 days"). Raises `UsageError`."""
    found = _WINDOW.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--since {text!r}: give a number and h, d or w, such as 12h, 1d or 2w")
    number, unit = int(found[1]), _UNITS[found[2]]
    words = f"the last {unit.removesuffix('s')}" if number == 1 else f"the last {number:,} {unit}"
    return f"{number} {unit}", words


def monitored(
    reading: Reading, ledger: Ledger, since: tuple[str, str], limit: int, identities: Identities
) -> Iterator[Monitored]:
    """Query 1 and query 2. ``since`` as `window` gives it."""
    title = f"query 1: jobs with more than one refund in {since[1]} (must be empty)"
    if ledger.dated:
        # The window is of transactions' beginnings, as in the runbook: it selects rows, and puts none into an order.
        query = f"""SELECT e.job_id, count(*) AS refunds, sum(e.amount) AS refunded,
       array_agg(DISTINCT e.user_id::text) AS refunded_to, min(e.created_at) AS first_refund_at,
       max(e.created_at) AS last_refund_at, count(*) OVER () AS total
FROM ({ledger.entries}) AS e
WHERE e.refund AND e.created_at > now() - interval '{since[0]}' AND e.job_id IS NOT NULL
GROUP BY e.job_id HAVING count(*) > 1
ORDER BY refunds DESC, e.job_id COLLATE "C" LIMIT {limit}"""
        shown = ("job_id", "refunds", "refunded", "refunded_to", "first_refund_at", "last_refund_at")
        yield _ask(reading, "duplicate_refunds", title, query, shown, identities)
    else:
        yield Monitored(name="duplicate_refunds", title=title, skipped="the mapping names no created column")
    title = f"query 2: the {HIGHEST} highest balances"
    query = f"""SELECT b.user_id, b.balance
FROM ({ledger.balances}) AS b
ORDER BY b.balance DESC NULLS LAST, b.user_id::text COLLATE "C" LIMIT {HIGHEST}"""
    yield _ask(reading, "highest_balances", title, query, ("user_id", "balance"), identities)


def _ask(
    reading: Reading, name: str, title: str, query: str, shown: tuple[str, ...], identities: Identities
) -> Monitored:
    try:
        found = reading.rows(query)
    except TookTooLong as error:
        return Monitored(name=name, title=title, skipped=str(error), late=True)
    rows = tuple(identities.row(row, shown) for row in found)
    return Monitored(name=name, title=title, rows=rows, total=found[0].get("total", len(found)) if found else 0)
