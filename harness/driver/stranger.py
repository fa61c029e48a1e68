"""A session that is no worker's, and holds tables so that a worker has to wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from harness.model import Footprint

_MODES = ("ACCESS EXCLUSIVE", "EXCLUSIVE", "SHARE")
"""From the strongest down. Beside a worker that has read a table the second can still be had, and holds up whoever
locks or writes rows; beside one that has locked rows the third, which holds up whoever writes."""
_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname), c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'harness') AND n.nspname !~ '^pg_' ORDER BY 1
"""


@contextmanager
def tables_held(connection: psycopg.Connection[Any], footprint: Footprint) -> Iterator[tuple[str, ...]]:
    """Hold each table of ``footprint`` in the strongest mode that can be had at once, which may be none: yields what is
    held, as ``table (MODE)``. ``connection``, in autocommit, is in a transaction for so long; it never waits."""
    touched = footprint.reads | footprint.writes | footprint.excludes
    held: list[str] = []
    with connection.transaction(force_rollback=True):
        for qualified, name in connection.execute(_TABLES).fetchall():
            if footprint.everything or name in touched:
                mode = next((m for m in _MODES if _had(connection, qualified, m)), None)
                held += [f"{name} ({mode})"] if mode is not None else []
        yield tuple(held)


def _had(connection: psycopg.Connection[Any], table: str, mode: str) -> bool:
    try:
        with connection.transaction():
            connection.execute(f"LOCK TABLE {table} IN {mode} MODE NOWAIT".encode())
    except (psycopg.errors.LockNotAvailable, psycopg.errors.InsufficientPrivilege):
        return False
    return True
