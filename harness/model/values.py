"""What everything is made of: JSON values, rows, and the verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

Json = Any
"""A value as `json.loads` gives it."""

Row = Mapping[str, Json]
"""One row of a query, by column name, values as JSON."""

Ledger = Mapping[str, tuple[Row, ...]]
"""Rows of each state query (table name → rows in a fixed order)."""


class Verdict(StrEnum):
    """What a campaign may say. ``INCONCLUSIVE``: nothing was examined, so nothing was shown."""

    PASS = "pass"
    INCONCLUSIVE = "inconclusive"
    VIOLATION = "violation"
    ERROR = "error"


EXIT_CODES = {Verdict.PASS: 0, Verdict.VIOLATION: 1, Verdict.INCONCLUSIVE: 3, Verdict.ERROR: 4}
