"""What a statement answered, and what kind of statement it was, in a few characters."""

from __future__ import annotations

import re

from harness.model import Event, Row
from harness.report.text import compact_json, cut, one_line, value_text

_TRANSACTION = re.compile(
    r"\s*(begin|start\s+transaction|commit|end|rollback|abort)"
    r"(\s+(?:work|transaction|isolation\s+level|read|write|only|committed|uncommitted|repeatable|serializable"
    r"|deferrable|not|and|no|chain|,))*\s*;?\s*",
    re.IGNORECASE,
)
_YIELDS_ROWS = re.compile(r"\s*(select|with|values|table|show)\b|.*\breturning\b", re.IGNORECASE | re.DOTALL)
_CONTROL_STEPS = frozenset({"begin", "commit", "rollback"})
STEP_WIDTH = 48


def step_text(event: Event) -> str:
    """The step's name; transaction control is shown as the SQL command it is (`COMMIT`)."""
    sql = (event.sql or "")[:200]
    if is_control(sql):
        return one_line(sql, STEP_WIDTH).rstrip("; ").upper()
    name = one_line(event.step, STEP_WIDTH)
    if not sql and name in _CONTROL_STEPS:
        return name.upper()
    return name or one_line(sql, STEP_WIDTH) or "statement"


def is_control(sql: str) -> bool:
    """Whether it is nothing but transaction control: `COMMIT`."""
    # Only a short text can be; the pattern is not let loose on the others.
    return 0 < len(sql) < 200 and _TRANSACTION.fullmatch(sql) is not None


def answer_text(rows: tuple[Row, ...] | None, sql: str | None = None, limit: int = 72) -> str:
    """The rows in about `limit` characters; "" for a statement that does not answer with rows.

    One column shows its value alone; more columns show ``name=value``; of several rows the first is shown.
    """
    if not rows:
        return "no rows" if rows is not None and sql and _YIELDS_ROWS.match(sql[:10_000]) else ""
    first = _row_text(rows[0], limit)
    return first if len(rows) == 1 else cut(f"{len(rows)} rows: {first}, …", limit)


def _row_text(row: Row, limit: int) -> str:
    if len(row) == 1:
        return value_text(next(iter(row.values())), limit)
    cells = (f"{one_line(name, 30)}={_scalar(value)}" for name, value in row.items())
    return cut(", ".join(cells), limit)


def _scalar(value: object) -> str:
    return value_text(value, 40) if isinstance(value, str) else compact_json(value, 40)
