"""One call of a worker, with values that Hypothesis draws."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from hypothesis import strategies as st

from harness.errors import UsageError
from harness.model import Json, Statement
from harness.sqltext import SqlSyntaxError, literal
from harness.sqltext.wants import first_call
from harness.statements import make_statement

_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A statement, and how a scenario file says it. ``name`` and ``values``: of what was drawn, for people."""

    statement: Statement
    entry: Json
    name: str
    values: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v!r}' for k, v in self.values.items())})"


def call(sql: str, **values: st.SearchStrategy[Any]) -> st.SearchStrategy[Called]:
    """Draws ``sql`` with each ``{name}`` replaced by an SQL literal of what the strategy ``name`` gives.

    Texts, numbers, booleans and None (NULL) become literals. Let each strategy shrink to the plainest value:
    `st.integers(1, 5000)`, `st.sampled_from(["j1", "j2"])`. Raises `UsageError` when names and places differ.
    """
    places = set(_PLACE.findall(sql))
    if places != set(values):
        missing = ", ".join(sorted(places ^ set(values)))
        raise UsageError(f"call {sql!r}: {missing}: every {{place}} needs a strategy, and every strategy a place")
    return st.fixed_dictionaries(values).map(lambda drawn: _called(sql, drawn))


def _called(sql: str, values: dict[str, Any]) -> Called:
    text = _PLACE.sub(lambda m: _literal(values[m[1]]), sql)
    return Called(statement=_statement(text), entry=text, name=_name(text), values=values)


@cache
def _name(sql: str) -> str:
    return first_call(sql) or _statement(sql).name


@cache
def _statement(sql: str) -> Statement:
    try:
        return make_statement(sql)
    except SqlSyntaxError as e:
        raise UsageError(f"call {sql!r}: bad SQL: {e.message}") from None


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"({value})" if value < 0 else str(value)
    return literal(str(value))
