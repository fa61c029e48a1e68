"""Whether a look at a table depends on a certain row: yes, or it cannot be told.

The texts name variables whose values no history holds. Such a condition is taken for known where just one value of its
column is among the values that the worker knows: the literals that its client sent; or, where none of them is there,
what it had read before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.causes.changes import Change, What, text
from harness.model import Json, Row
from harness.sqltext.access import Equal, Look


def depends(look: Look, change: Change, rows: Sequence[Row], known: Sequence[frozenset[str]]) -> bool:
    """Whether ``look`` at ``rows``, by a worker that knows these values, would surely have gone another way after
    ``change``."""
    if look.skips:
        return False
    around = [*rows, *([change.after] if change.after is not None else [])]
    look, unclear = pinned(look, around, known)
    changed = [row for row in (change.before, change.after) if row is not None]
    if not any(passes(look, row) for row in changed):
        return False
    others = [row for row in rows if row not in changed and passes(look, row)]
    if look.first is not None:
        return _among_first(look, change, rows)
    vague = change.what is not What.UPDATE or any(not columns & change.columns for columns in look.vague)
    return not others or not (unclear or look.bounded or (vague and look.vague))


def pinned(look: Look, rows: Sequence[Row], known: Sequence[frozenset[str]]) -> tuple[Look, bool]:
    """``look`` with values in place of variables where only one comes into question, and whether some are left."""
    equal = []
    for condition in look.equal:
        there = {text(value) for row in rows if (value := held(row, condition)) is not None}
        found = next((there & some for some in known if there & some), set())
        one = condition.value is None and len(found) == 1
        equal.append(replace(condition, value=found.pop()) if one else condition)
    return replace(look, equal=tuple(equal)), any(c.value is None for c in equal)


def passes(look: Look, row: Row) -> bool:
    """Whether a row meets those conditions whose values are known."""
    return all(c.value is None or text(held(row, c)) == c.value for c in look.equal)


def held(row: Row, condition: Equal) -> Json:
    """What a row has where a condition looks."""
    value = row.get(condition.column)
    if condition.key:
        return value.get(condition.key) if isinstance(value, Mapping) else None
    return value


def values(rows: Sequence[Row]) -> frozenset[str]:
    """All that stands in rows, as texts."""
    return frozenset(text(v) for row in rows for v in row.values() if isinstance(v, str | int | float))


def _among_first(look: Look, change: Change, rows: Sequence[Row]) -> bool:
    """Whether the row is among those that ORDER BY and LIMIT let through, before or after the change."""
    row = change.before if change.before is not None and passes(look, change.before) else change.after
    assert row is not None
    through = [r for r in [*rows, *([row] if row not in rows else [])] if passes(look, r)]
    try:
        for column, descending in reversed(look.order):
            through.sort(key=lambda r, c=column: r[c], reverse=descending)  # type: ignore[misc]
    except (KeyError, TypeError):
        return False
    return row in through[: look.first] and not look.vague
