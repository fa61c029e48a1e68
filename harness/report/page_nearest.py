"""A counterexample beside the order that breaks nothing and agrees with it longest: where they part."""

from __future__ import annotations

from typing import Any

from harness.model import Nearest
from harness.report.timeline import Timeline, TimelineRow, elide, timeline
from harness.report.words import plural


def nearest_view(here: Timeline, nearest: Nearest, limit: int) -> dict[str, Any]:
    """Rows of both by turn, at most about ``limit``: equal ones, the first that differs, and what follows."""
    there = timeline(nearest.execution.history)
    mine, theirs = _by_turn(here, limit), _by_turn(there, limit)
    rows: list[dict[str, Any]] = []
    parted = False
    for turn in sorted({*mine, *theirs}):
        same = turn < nearest.agrees
        rows.append(
            {
                "label": f"T{turn}",
                "same": same,
                "first": not same and not parted,
                "here": _side(mine.get(turn)),
                "there": _side(theirs.get(turn)),
            }
        )
        parted = parted or not same
    return {
        "says": _sentence(nearest, mine, theirs),
        "number": f"{nearest.execution.number + 1:,}",
        "balance_title": here.balance_title,
        "rows": rows,
    }


def _by_turn(drawn: Timeline, limit: int) -> dict[int, TimelineRow]:
    return {row.turn: row for row in elide(drawn.rows, limit) if row is not None and row.turn is not None}


def _side(row: TimelineRow | None) -> dict[str, Any]:
    if row is None:
        return {"cells": [], "balance": "", "broken": ""}
    cells = [{"worker": worker, "text": cell.text, "kind": cell.kind.value} for worker, cell in row.cells.items()]
    return {"cells": cells, "balance": row.balance, "broken": row.broken}


def _sentence(nearest: Nearest, mine: dict[int, TimelineRow], theirs: dict[int, TimelineRow]) -> str:
    n = nearest.agrees
    begins = f"The first {plural(n, 'turn')} are the same" if n > 1 else "Only T0 is the same" if n else ""
    who, other = _who(mine, n), _who(theirs, n)
    if not who or not other or who == other:
        return f"{begins}; from T{n} on they differ." if begins else "They differ from T0 on."
    parts = f"at T{n} {who} goes on in the order that breaks the rule, {other} in the one that does not."
    return f"{begins}; {parts}" if begins else parts[0].upper() + parts[1:]


def _who(rows: dict[int, TimelineRow], turn: int) -> str:
    """Whoever acted first in a turn, or in the row that it was joined to."""
    row = next((rows[t] for t in sorted(rows) if t >= turn), None)
    return next(iter(row.cells), "") if row else ""
