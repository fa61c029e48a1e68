"""Procedures that commit cannot be tried in a transaction that is rolled back: in a database of ours they do not."""

from __future__ import annotations

from typing import Any

import psycopg

from harness.sqltext.catalog import Catalog, Routine
from harness.sqltext.plpgsql import read_body
from harness.sqltext.plsyntax import statements
from harness.sqltext.variables import SqlSyntaxError


def without_commits(connection: psycopg.Connection[Any], catalog: Catalog) -> frozenset[str]:
    """Replace the procedures behind ``connection`` that end transactions by ones that do not: alone, and one after the
    other, their calls do the same. The identities of those."""
    found = set()
    for routine in catalog.routines:
        if routine.kind == "p" and routine.language == "plpgsql" and (source := _changed(routine)) is not None:
            connection.execute(routine.definition.replace(routine.source, source).encode())
            found.add(routine.identity)
    return frozenset(found)


def _changed(routine: Routine) -> str | None:
    """Its body with NULL in place of each COMMIT; None where there is none."""
    try:
        found = [s for s in statements(read_body(routine.source)) if s.kind == "commit"]
    except SqlSyntaxError:
        return None
    text = routine.source
    for statement in reversed(found):
        text = f"{text[: statement.at]}NULL{text[statement.end :]}"
    return text if found else None
