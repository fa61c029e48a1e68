"""Rows, ledgers and timelines as the plain lists and strings that the page's template prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from harness.model import Ledger, Row
from harness.report.balance import row_key
from harness.report.text import one_line, value_text
from harness.report.timeline import Timeline, TimelineRow
from harness.report.turns import CellKind

MAX_TABLE_ROWS = 50
MAX_COLUMNS = 16
VALUE_LIMIT = 200


def table_view(rows: Sequence[Row], unlike: Sequence[Row] = (), compare: bool = False) -> dict[str, Any]:
    """Columns and rows as text. With `compare`, a row counts as changed when `unlike` has none equal to it."""
    known = {row_key(dict(row)) for row in unlike}
    columns = list(dict.fromkeys(name for row in rows[:MAX_TABLE_ROWS] for name in row))[:MAX_COLUMNS]
    return {
        "columns": [one_line(name, 60) for name in columns],
        "rows": [
            {
                "cells": [value_text(row[name], VALUE_LIMIT) if name in row else "" for name in columns],
                "changed": compare and row_key(dict(row)) not in known,
            }
            for row in rows[:MAX_TABLE_ROWS]
        ],
        "more": max(len(rows) - MAX_TABLE_ROWS, 0),
    }


def ledger_views(before: Ledger, after: Ledger) -> list[dict[str, Any]]:
    """Every table with its rows before and after, in the order in which the ledgers name them."""
    return [
        {
            "name": one_line(name, 80),
            "same": before.get(name, ()) == after.get(name, ()),
            "before": table_view(before.get(name, ()), after.get(name, ()), compare=True),
            "after": table_view(after.get(name, ()), before.get(name, ()), compare=True),
        }
        for name in dict.fromkeys([*before, *after])
    ]


def timeline_view(
    timeline: Timeline,
    rows: Sequence[TimelineRow | None],
    excerpt: Callable[[str], Any] = lambda _: None,
    parts: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> dict[str, Any]:
    """The table of an execution: headings, and rows whose cells know how to be shaded; None marks a gap. ``excerpt``:
    from a site, the lines of its function to show in its cell. ``parts``: (row, worker) → what to say beside the step.
    """
    shown: list[dict[str, Any] | None] = []
    before = ""
    for row in rows:
        if row is None:
            shown.append(None)
            continue
        shown.append(
            {
                "label": row.label,
                "cells": [
                    {**_cell(timeline, row, worker, excerpt), "part": parts.get((row.label, worker), "")}
                    for worker in timeline.workers
                ],
                "balance": row.balance.split(", ") if row.balance else [],
                "changed": row.balance != before,
                "broken": row.broken,
            }
        )
        before = row.balance
    return {
        "workers": list(timeline.workers),
        "rows": shown,
        "balance_title": timeline.balance_title if any(row is not None and row.balance for row in rows) else "",
    }


def _cell(timeline: Timeline, row: TimelineRow, worker: str, excerpt: Callable[[str], Any]) -> dict[str, Any]:
    cell = row.cells.get(worker)
    if cell is None:
        kind = "waiting" if timeline.waits(worker, row.turn) else "idle"
        return {"kind": kind, "text": "", "sql": "", "detail": "", "code": None}
    # The answer is worth opening only where it says more than its summary does.
    detail = cell.detail if len(cell.detail) > 24 or cell.kind is not CellKind.STEP else ""
    # Nor is SQL that says no more than the name of its step: COMMIT.
    sql = "" if one_line(cell.sql).rstrip("; ").upper() == cell.text else cell.sql
    return {"kind": cell.kind.value, "text": cell.text, "sql": sql, "detail": detail, "code": excerpt(cell.site)}
