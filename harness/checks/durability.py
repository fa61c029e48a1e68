"""Durability: what was committed before the server crashed is there after it has recovered, and nothing else is."""

from __future__ import annotations

import json

from harness.checks.protocol import Context
from harness.model import CheckResult, Event, EventKind, Ledger, Row, Violation


def durability(context: Context) -> CheckResult:
    """Compares the committed ledger before each crash with the one after it. Nothing but the crash happens in its turn,
    so any difference is its doing: a commit that was acknowledged before it was on the disk, a table whose rows no
    recovery brings back."""
    events = context.execution.history.events
    crashes = [(i, e) for i, e in enumerate(events) if e.kind is EventKind.CRASH and e.ledger is not None]
    violations = [v for i, crash in crashes if (v := _lost(crash, events[i + 1 :])) is not None]
    return CheckResult(check="durability", examined=len(crashes), violations=tuple(violations))


def _lost(crash: Event, later: tuple[Event, ...]) -> Violation | None:
    before = crash.ledger
    assert before is not None
    after = next((e.ledger for e in later if e.turn == crash.turn and e.ledger is not None), None)
    if after is None:  # only what differs is noted
        return None
    gone, new = _beyond(before, after), _beyond(after, before)
    parts = [f"{_rows(rows)} of {table} gone or changed" for table, rows in gone.items()]
    parts += [f"{_rows(rows)} of {table} that was not there" for table, rows in new.items() if table not in gone]
    return Violation(
        check="durability",
        message=f"after the crash at T{crash.turn} the committed ledger is another: {', '.join(parts)}",
        witness=tuple(row for rows in gone.values() for row in rows),
        turn=crash.turn,
    )


def _beyond(ledger: Ledger, other: Ledger) -> dict[str, list[Row]]:
    """By table, the rows of ``ledger`` that ``other`` does not have."""
    found = {}
    for table, rows in ledger.items():
        there = {json.dumps(row, sort_keys=True, default=str) for row in other.get(table, ())}
        missing = [row for row in rows if json.dumps(row, sort_keys=True, default=str) not in there]
        if missing:
            found[table] = missing
    return found


def _rows(rows: list[Row]) -> str:
    return f"{len(rows)} row{'s' * (len(rows) != 1)}"
