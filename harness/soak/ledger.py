"""Is the ledger right? All invariants on one snapshot, while workers go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from decimal import Decimal
from functools import cache
from typing import Any

import psycopg
from psycopg.rows import dict_row

from harness.db import exact, one_line
from harness.errors import UserSqlError
from harness.model import Json
from harness.resources import shipped
from harness.soaked import ACKNOWLEDGED, DRAINED, FORWARD, Broken, Told
from harness.sqltext import Template, split

ROWS = 20
"""So many rows of each check are kept."""
INVARIANTS = (
    "one_refund_per_job",
    "balance_matches_ledger",
    "ledger_chain",
    "failed_means_refunded",
    "completed_means_no_refund",
    "refund_matches_charge",
    "no_negative_balance",
    "money_conserved",
    "execute_privilege",
)
"""Names under ``sql/invariants``; those that must hold at every moment."""

# The database is the soak's alone: all that is in it is judged, also what nobody knows of having done.
_EVERYTHING = {
    "users": """((SELECT coalesce(array_agg(e.user_id), '{}') FROM (
      SELECT user_id FROM public.user_balances UNION SELECT user_id FROM public.balance_transactions) AS e))""",
    "jobs": """((SELECT coalesce(array_agg(e.job_id), '{}') FROM (
      SELECT job_id FROM public.story_jobs
      UNION SELECT metadata ->> 'job_id' FROM public.balance_transactions) AS e WHERE e.job_id IS NOT NULL))""",
}
_ANALYSE = "ANALYZE public.story_jobs, public.user_balances, public.balance_transactions"
_REFUNDS = """
SELECT t.metadata ->> 'job_id', count(*)
FROM public.balance_transactions AS t
WHERE t.type = 'refund' AND t.metadata ->> 'job_id' IS NOT NULL
GROUP BY 1"""
_NOT_COMPLETED = "SELECT job_id, user_id::text, status FROM public.story_jobs WHERE status <> 'completed'"
_OWNERS = "SELECT job_id, user_id::text FROM public.story_jobs WHERE job_id = ANY (%s)"


def check_ledger(connection: psycopg.Connection[Any], told: Told, *, drained: bool = False) -> tuple[Broken, ...]:
    """Every broken row, at most `ROWS` a check. ``told``: what workers had been told *before* this was
    called; ``drained``: no worker is busy any more, so every job must have come to its end.

    ``connection`` is in autocommit mode and outside a transaction, and is left so. Raises `UserSqlError` when SQL that
    was installed has changed the tables so that they cannot be judged.
    """
    with _judged("ledger"):
        # Nobody else does that on a throw-away server, and without it a join takes the square of the jobs.
        connection.execute(_ANALYSE)
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute("SET LOCAL lock_timeout = '10s'")
        with _judged("acknowledged refunds"):
            broken = [*_unkept(connection, told.refunds), *_undone(connection, told.completed)]
        for name in (*INVARIANTS, DRAINED) if drained else INVARIANTS:
            broken += [_broken(name, row) for row in _rows(connection, name)]
    return tuple(broken)


def _rows(connection: psycopg.Connection[Any], name: str) -> list[dict[str, Any]]:
    with _judged(f"invariants/{name}.sql"), connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_query(name).encode()).fetchmany(ROWS)


@contextmanager
def _judged(what: str) -> Iterator[None]:
    """A table or column that is not what it was is the business of whoever changed it."""
    try:
        yield
    except psycopg.ProgrammingError as error:
        message = f"does not work on the ledger as it is now: {one_line(str(error))}"
        raise UserSqlError(what, message, sqlstate=error.sqlstate) from error


def _unkept(connection: psycopg.Connection[Any], acknowledged: Mapping[str, int]) -> Iterator[Broken]:
    """Refunds that were acknowledged and are not in the ledger exactly once, or were acknowledged to two workers."""
    refunds: dict[str, int] = dict(connection.execute(_REFUNDS).fetchall())
    wrong = [job for job, told in acknowledged.items() if told > 1 or refunds.get(job, 0) != 1]
    wrong += [job for job, count in refunds.items() if count > 1 and job not in acknowledged]
    owners = dict(connection.execute(_OWNERS, [wrong[:ROWS]]).fetchall())
    for job in wrong[:ROWS]:
        row = (("job_id", job), ("acknowledged", acknowledged.get(job, 0)), ("refunds", refunds.get(job, 0)))
        yield Broken(check=ACKNOWLEDGED, job=job, user=owners.get(job, ""), row=row)


def _undone(connection: psycopg.Connection[Any], completed: Set[str]) -> list[Broken]:
    """Jobs that are not completed, though a worker was told so."""
    rows = [row for row in connection.execute(_NOT_COMPLETED) if row[0] in completed][:ROWS]
    return [
        Broken(check=FORWARD, job=job, user=user, row=(("job_id", job), ("acknowledged", "completed"), ("status", now)))
        for job, user, now in rows
    ]


def _broken(check: str, row: Mapping[str, Any]) -> Broken:
    values = tuple((name, _json(value)) for name, value in row.items())
    known = dict(values)
    return Broken(check=check, job=str(known.get("job_id") or ""), user=str(known.get("user_id") or ""), row=values)


def _json(value: Any) -> Json:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Decimal):
        return exact(value)
    return [_json(v) for v in value] if isinstance(value, list) else str(value)


@cache
def _query(name: str) -> str:
    [piece] = split((shipped("sql") / "invariants" / f"{name}.sql").read_text(encoding="utf-8"))
    return Template(piece.text).replaced(_EVERYTHING)
