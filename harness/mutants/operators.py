"""Every mutant of the system that a scenario's calls run: of its routines, its constraints and its transactions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from harness.catalog import read_catalog
from harness.fates import OPERATORS
from harness.model import Opaque, StatementKind, Worker
from harness.sqltext.catalog import Catalog
from harness.sqltext.footprints import footprint_of, reached
from harness.sqltext.mutate import Mutation, distinct, mutations_of
from harness.sqltext.walk import touch_of
from harness.sqltext.wants import first_call

__all__ = ["Found", "Stillborn", "find_mutations"]

_CONSTRAINTS = """
SELECT k.contype::text, c.relname, format('%%I.%%I', n.nspname, c.relname), k.conname, pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype IN ('p', 'u', 'x', 'c') AND k.coninhcount = 0 AND c.relname = ANY (%(tables)s)
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'harness')
  AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conindid = k.conindid AND k.conindid <> 0)
ORDER BY n.nspname, c.relname, k.conname
"""
# An index that a foreign key rests on cannot go; the WHERE leaves it out.
_UNIQUE_INDEXES = """
SELECT c.relname, format('%%I.%%I', n.nspname, i.relname), i.relname, pg_get_indexdef(i.oid)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE x.indisunique AND NOT i.relispartition AND c.relname = ANY (%(tables)s)
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'harness')
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid)
ORDER BY n.nspname, c.relname, i.relname
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stillborn:
    """A mutant that the server does not take, and what it says."""

    mutation: Mutation
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """``mutations``: those that the server takes. ``untouched``: routines that may run and have no mutants, because
    their text cannot be told or understood."""

    mutations: tuple[Mutation, ...]
    stillborn: tuple[Stillborn, ...] = ()
    untouched: tuple[Opaque, ...] = ()


def find_mutations(
    connection: psycopg.Connection[Any], workers: Sequence[Worker], operators: Collection[str] = OPERATORS
) -> Found:
    """All mutants by these ``operators``, in a fixed order: routines by name and line, then constraints by table, then
    workers.

    ``connection``: in autocommit, to a database with everything installed, which is left as it was. Raises
    `psycopg.Error` only when the connection breaks.
    """
    catalog = read_catalog(connection)
    calls = [s.sql for w in workers for s in w.statements]
    routines, anything = reached([touch_of(sql) for sql in calls], catalog)
    if anything:
        routines |= frozenset(r for r in catalog.routines if not r.extension)
    alone = set(_called_alone(workers))
    candidates: list[Mutation] = []
    untouched: list[Opaque] = []
    for routine in sorted(routines, key=lambda r: r.identity):
        found = mutations_of(routine, catalog, called_alone=routine.kind == "p" and routine.name in alone)
        candidates += found.mutations
        if found.reason:
            untouched.append(Opaque(function=routine.identity, reason=found.reason))
    candidates += _of_tables(connection, _tables(calls, catalog))
    candidates += _of_workers(workers)
    originals = {r.identity: r.definition for r in routines}
    mutations: list[Mutation] = []
    stillborn: list[Stillborn] = []
    for mutation in (m for m in distinct(candidates) if m.operator in operators):
        accepted, reason = _accepted(connection, mutation, originals.get(mutation.function, ""))
        if reason:
            stillborn.append(Stillborn(mutation=mutation, reason=reason))
        else:
            mutations.append(accepted)
    return Found(mutations=tuple(mutations), stillborn=tuple(stillborn), untouched=tuple(untouched))


# --------------------------------------------------------------------------------------------------- constraints


def _tables(calls: Iterable[str], catalog: Catalog) -> list[str]:
    """The tables that the calls may touch."""
    found: set[str] = set()
    for sql in calls:
        footprint = footprint_of(sql, catalog)
        found |= footprint.reads | footprint.writes | footprint.excludes
        if footprint.everything:
            found |= set(catalog.relations)
    return sorted(found & set(catalog.relations))


def _of_tables(connection: psycopg.Connection[Any], tables: Sequence[str]) -> Iterator[Mutation]:
    """``drop_unique`` (primary keys and exclusion constraints among them) and ``drop_check``."""
    given = {"tables": list(tables)}
    for kind, table, path, name, text in connection.execute(_CONSTRAINTS, given).fetchall():
        quoted = name.replace('"', '""')
        operator = "drop_check" if kind == "c" else "drop_unique"
        yield Mutation(
            name=f"{table}.{name} {operator}", operator=operator, function=table, line=0,
            before=f"CONSTRAINT {name} {text}", after="", sql=f'ALTER TABLE {path} DROP CONSTRAINT "{quoted}"',
        )  # fmt: skip
    for table, path, name, text in connection.execute(_UNIQUE_INDEXES, given).fetchall():
        yield Mutation(
            name=f"{table}.{name} drop_unique", operator="drop_unique", function=table, line=0,
            before=text, after="", sql=f"DROP INDEX {path}",
        )  # fmt: skip


# -------------------------------------------------------------------------------------------------- transactions


def _called_alone(workers: Iterable[Worker]) -> Iterator[str]:
    """Names of what is called outside BEGIN … COMMIT."""
    for worker in workers:
        inside = False
        for statement in worker.statements:
            if statement.kind is StatementKind.BEGIN:
                inside = True
            elif statement.kind in (StatementKind.COMMIT, StatementKind.ROLLBACK):
                inside = False
            elif not inside and (name := first_call(statement.sql)):
                yield name.rsplit(".", 1)[-1]


def _of_workers(workers: Sequence[Worker]) -> Iterator[Mutation]:
    """``split_transaction``: BEGIN and COMMIT around two or more statements are not sent."""
    for n, worker in enumerate(workers):
        begin = None
        for i, statement in enumerate(worker.statements):
            if statement.kind is StatementKind.BEGIN:
                begin = i
            elif statement.kind is StatementKind.ROLLBACK:
                begin = None
            elif statement.kind is StatementKind.COMMIT and begin is not None:
                if i - begin > 2:
                    inside = worker.statements[begin + 1 : i]
                    kept = (*worker.statements[:begin], *inside, *worker.statements[i + 1 :])
                    yield Mutation(
                        name=f"{worker.name}.{worker.statements[begin].name} split_transaction",
                        operator="split_transaction", function=worker.name, line=0,
                        before=f"BEGIN … COMMIT around {len(inside)} statements", after="each on its own",
                        workers=(*workers[:n], replace(worker, statements=kept), *workers[n + 1 :]),
                    )  # fmt: skip
                begin = None


# ------------------------------------------------------------------------------------------------ by the server


def _accepted(connection: psycopg.Connection[Any], mutation: Mutation, original: str) -> tuple[Mutation, str]:
    """The mutation as the server takes it, or why it does not."""
    if not mutation.sql:
        return mutation, ""
    refusal = _refusal(connection, mutation.sql)
    if refusal and original and _refusal(connection, original):
        # It does not take the plain text here either (which refers to what only another search_path finds, or what is
        # not yet there), so that its complaint says nothing about the mutant.
        unchecked = replace(mutation, sql=f"SET LOCAL check_function_bodies = off; {mutation.sql}")
        return unchecked, _refusal(connection, unchecked.sql)
    return mutation, refusal


class _Tried(Exception):
    """Undoes what was only tried."""


def _refusal(connection: psycopg.Connection[Any], sql: str) -> str:
    """What the server has against ``sql``; "": nothing. Nothing stays of it."""
    try:
        with connection.transaction():
            connection.cursor().execute(sql.encode(), prepare=False)
            raise _Tried
    except _Tried:
        return ""
    except psycopg.DatabaseError as error:
        if connection.closed:
            raise
        return error.diag.message_primary or str(error)
