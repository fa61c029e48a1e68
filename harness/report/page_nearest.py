"""A counterexample beside the order that breaks nothing and agrees with it longest: where they part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from harness.model import Nearest
from harness.report.timeline import Timeline, TimelineRow, elide, timeline
from harness.report.words import plural, replay_command


def nearest_view(here: Timeline, nearest: Nearest, limit: int) -> dict[str, Any]:
    """Rows of both by turn, at most about ``limit``: equal ones, the first that differs, and what follows."""
    there = timeline(nearest.execution.history)
    mine, theirs = _turns(here, limit), _turns(there, limit)
    rows = [
        {"same": same, "first": first, "here": _side(left), "there": _side(right)}
        for same, first, left, right in _beside(mine, theirs, nearest.agrees)
    ]
    return {
        "says": _sentence(nearest, mine, theirs),
        "replay": replay_command(nearest.replay),
        "number": f"{nearest.execution.number + 1:,}",
        "balance_title": here.balance_title,
        "rows": rows,
    }


def _turns(drawn: Timeline, limit: int) -> list[TimelineRow]:
    return [row for row in elide(drawn.rows, limit) if row is not None and row.turn is not None]


def _beside(
    mine: Sequence[TimelineRow], theirs: Sequence[TimelineRow], agrees: int
) -> Iterator[tuple[bool, bool, TimelineRow | None, TimelineRow | None]]:
    """Rows of equal turns beside each other, then what is left of both; with them whether they are equal, and whether
    they are the first that are not. Behind that turns have nothing to do with each other any more."""
    for same in (True, False):
        left, right = ([row for row in rows if ((row.turn or 0) < agrees) == same] for rows in (mine, theirs))
        for number, (one, other) in enumerate(zip_longest(left, right)):
            yield same, not same and not number, one, other


def _side(row: TimelineRow | None) -> dict[str, Any]:
    if row is None:
        return {"label": "", "cells": [], "balance": "", "broken": ""}
    cells = [{"worker": worker, "text": cell.text, "kind": cell.kind.value} for worker, cell in row.cells.items()]
    return {"label": row.label, "cells": cells, "balance": row.balance, "broken": row.broken}


def _sentence(nearest: Nearest, mine: Sequence[TimelineRow], theirs: Sequence[TimelineRow]) -> str:
    n = nearest.agrees
    begins = f"The first {plural(n, 'turn')} are the same" if n > 1 else "Only T0 is the same" if n else ""
    who, other = _who(mine, n), _who(theirs, n)
    if not who or not other or who == other:
        return f"{begins}; from T{n} on they differ." if begins else "They differ from T0 on."
    parts = f"at T{n} {who} goes on in the order that breaks the rule, {other} in the one that does not."
    return f"{begins}; {parts}" if begins else parts[0].upper() + parts[1:]


def _who(rows: Sequence[TimelineRow], turn: int) -> str:
    """Whoever acted first in a turn, or in the row that it was joined to."""
    row = next((row for row in rows if row.turn is not None and row.turn >= turn), None)
    return next(iter(row.cells), "") if row else ""
