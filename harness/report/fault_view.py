"""The fault matrix as the plain lists and strings that the page's template prints."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from harness.model import FaultMatrix
from harness.report.fault_grid import HELD, NOTHING, VIOLATED, GridRow, grid_rows, headings
from harness.report.fault_words import notes, red_places
from harness.report.words import replay_command

MAX_POINTS = 400


def fault_view(matrix: FaultMatrix) -> dict[str, Any]:
    """Rows worker by worker, each cell with the class that shades it; below them what was violated where."""
    rows = grid_rows(matrix)
    return {
        "headings": [*headings(matrix), "after the retry"],
        "parts": [
            {"worker": worker, "rows": [_row(row) for row in mine]}
            for worker, mine in groupby(rows[:MAX_POINTS], key=lambda row: row.worker)
        ],
        "more": max(len(rows) - MAX_POINTS, 0),
        "key": f"{HELD} struck, retried, nothing violated · {VIOLATED} n violations · {NOTHING} nothing to strike",
        "notes": notes(matrix),
        "red": [{"what": red.what, "again": replay_command(red.replay)} for red in red_places(matrix)],
    }


def _row(row: GridRow) -> dict[str, Any]:
    cells = [{"text": text, "kind": _KINDS[red]} for text, red in row.cells]
    return {"site": row.site, "cells": cells, "left": row.left}


_KINDS = {None: "nothing", False: "held", True: "violated"}
