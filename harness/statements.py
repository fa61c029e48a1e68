"""From SQL text to the statements of a worker: what each is, and names that no other of its worker has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count

from harness.model import Json, Statement, StatementKind
from harness.sqltext import classify, leaves_session_state

RESERVED = ("kill", "term")
"""Names of faults, which no statement may bear."""
ROLE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}")
"""What can name a worker's role."""


def make_statement(sql: str, *, name: str | None = None, continue_if: Mapping[str, Json] | None = None) -> Statement:
    """The single SQL command ``sql`` as a statement, named after what it does unless ``name`` is given. Raises
    `SqlSyntaxError`."""
    kind = classify(sql)
    named = name or (kind.value if kind not in (StatementKind.QUERY, StatementKind.DDL) else _first_word(sql))
    return Statement(name=named, sql=sql, kind=kind, continue_if=continue_if, session_state=leaves_session_state(sql))


def unique_names(statements: Iterable[Statement]) -> Iterator[Statement]:
    """A name that stands twice gets a number: refund, refund_2, …"""
    given = list(statements)
    taken = {s.name for s in given}
    seen: set[str] = set()
    for s in given:
        if s.name in seen:
            name = next(name for n in count(2) if (name := f"{s.name}_{n}") not in taken)
            taken.add(name)
            s = replace(s, name=name)
        seen.add(s.name)
        yield s


def _first_word(sql: str) -> str:
    match = re.search(r"[A-Za-z]+", sql)
    return match[0].lower() if match else "statement"
