"""Are the tables and columns of the mapping there, readable, and of types that can be judged?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from harness.audit.mapping import Mapping, TransactionsSpec
from harness.audit.session import Reading
from harness.audit.sources import Ledger
from harness.scenario.schema.base import nearest

_WHOLE = ("smallint", "integer", "bigint")
_NUMBERS = (*_WHOLE, "numeric")
_RELATION = """
SELECT c.oid, has_schema_privilege(n.oid, 'USAGE') AS usable
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(name)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"""
_COLUMNS = """
SELECT a.attname AS name, has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS readable,
       format_type(CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END, NULL) AS type
FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table or view that was found. ``place``: the mapping's key for it; ``types``: column → its type."""

    place: str
    schema: str
    name: str
    types: dict[str, str]

    @property
    def quoted(self) -> str:
        return quoted(self.schema, self.name)


def quoted(*parts: str) -> str:
    """An identifier as SQL writes it."""
    return sql.Identifier(*parts).as_string()


def literals(values: Sequence[str]) -> str:
    """A list for ``= ANY (…)``."""
    return f"ARRAY[{', '.join(sql.Literal(v).as_string() for v in values)}]::text[]"


def split_name(name: str) -> tuple[str, str]:
    """``schema.table``; without a schema it is public's."""
    schema, dot, table = name.partition(".")
    return (schema, table) if dot else ("public", name)


def find_ledger(reading: Reading, mapping: Mapping) -> Ledger:
    """What the mapping names, as it is there. Raises `UsageError`: one line that says where to put it right."""
    spec = mapping.spec
    jobs = _relation(reading, mapping, "jobs", spec.jobs.table)
    entries = _relation(reading, mapping, "transactions", spec.transactions.table)
    balances = _relation(reading, mapping, "balances", spec.balances.table)
    looked = _Columns(mapping)
    of_jobs, of_entries, of_balances = spec.jobs, spec.transactions, spec.balances

    user_types = {
        looked.type_of(relation, "user", name)
        for relation, name in ((jobs, of_jobs.user), (entries, of_entries.user), (balances, of_balances.user))
    }
    user = "::text" if len(user_types) > 1 else ""
    started = looked.optional(jobs, "started", of_jobs.started)
    seq = looked.optional(entries, "seq", of_entries.seq, _WHOLE)
    created = looked.optional(entries, "created", of_entries.created)
    numbers = {
        looked.type_of(relation, key, name, _NUMBERS)
        for relation, key, name in (
            (entries, "amount", of_entries.amount),
            (balances, "balance", of_balances.balance),
            *(
                (entries, key, name)
                for key, name in (("before", of_entries.before), ("after", of_entries.after))
                if name
            ),
        )
    }
    number = "numeric" if "numeric" in numbers else "bigint"
    for key, name in (("id", of_jobs.id), ("status", of_jobs.status)):
        looked.type_of(jobs, key, name)
    looked.type_of(entries, "type", of_entries.type)
    job = _job_id(looked, entries, of_entries)

    listed = [*of_jobs.waiting, *of_jobs.processing, *of_jobs.completed, *of_jobs.failed]
    status = f"{quoted(of_jobs.status)}::text"
    kind = f"{quoted(of_entries.type)}::text"

    def value(name: str | None) -> str:
        return f"{quoted(name)}::{number}" if name else f"NULL::{number}"

    amount = value(of_entries.amount)
    if of_entries.amounts == "unsigned":
        taking = literals([*of_entries.charge, *of_entries.debit])
        amount = f"CASE WHEN {kind} = ANY ({taking}) THEN -{amount} ELSE {amount} END"
    return Ledger(
        jobs=f"""SELECT {quoted(of_jobs.id)}::text AS job_id, {quoted(of_jobs.user)}{user} AS user_id,
  {status} AS status,
  {status} = ANY ({literals(of_jobs.failed)}) AS failed, {status} = ANY ({literals(of_jobs.completed)}) AS completed,
  {status} = ANY ({literals(of_jobs.processing)}) AS processing, {status} = ANY ({literals(listed)}) AS listed,
  {f"{quoted(started)}::timestamptz" if started else "NULL::timestamptz"} AS started_at
  FROM {jobs.quoted}""",
        entries=f"""SELECT {quoted(of_entries.user)}{user} AS user_id, {kind} AS type, {amount} AS amount,
  {kind} = ANY ({literals(of_entries.charge)}) AS charge, {kind} = ANY ({literals(of_entries.refund)}) AS refund,
  {value(of_entries.before)} AS balance_before, {value(of_entries.after)} AS balance_after,
  {quoted(seq) if seq else "NULL::bigint"} AS seq, {job} AS job_id,
  {f"{quoted(created)}::timestamptz" if created else "NULL::timestamptz"} AS created_at
  FROM {entries.quoted}""",
        balances=f"""SELECT {quoted(of_balances.user)}{user} AS user_id, {value(of_balances.balance)} AS balance
  FROM {balances.quoted}""",
        tables=tuple(f"{r.schema}.{r.name}" for r in (jobs, entries, balances)),  # type: ignore[arg-type]  # of three
        ordered=seq is not None,
        chained=of_entries.before is not None,
        timed=started is not None,
        dated=created is not None,
        number=number,
    )


def _relation(reading: Reading, mapping: Mapping, place: str, name: str) -> Relation:
    schema, table = split_name(name)
    path = (place, "table")
    found = reading.rows(_RELATION, {"schema": schema, "name": table})
    if not found:
        raise mapping.error(path, f"there is no table {schema}.{table} in this database")
    if not found[0]["usable"]:
        raise mapping.error(path, f"this role may not use the schema {schema}: GRANT USAGE ON SCHEMA {schema} to it")
    columns = reading.rows(_COLUMNS, {"oid": found[0]["oid"]})
    unreadable = [c["name"] for c in columns if not c["readable"]]
    # Which of them are needed is known when the mapping is gone through; a table without any right is told at once.
    if len(unreadable) == len(columns):
        raise mapping.error(path, f"this role may not read {schema}.{table}: GRANT SELECT ON {schema}.{table} to it")
    types = {c["name"]: c["type"] if c["readable"] else "" for c in columns}
    return Relation(place=place, schema=schema, name=table, types=types)


class _Columns:
    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping

    def type_of(self, relation: Relation, key: str, name: str, allowed: tuple[str, ...] = ()) -> str:
        """The type of a column that must be there."""
        path = (relation.place, key)
        if name not in relation.types:
            hint = nearest(name, list(relation.types))
            raise self._mapping.error(path, f"there is no column {name} in {relation.schema}.{relation.name}{hint}")
        found = relation.types[name]
        if not found:
            raise self._mapping.error(path, f"this role may not read {relation.schema}.{relation.name}.{name}")
        if allowed and found not in allowed:
            wanted = " or ".join((", ".join(allowed[:-1]), allowed[-1]))
            message = f"{relation.schema}.{relation.name}.{name} is {found}: it must be {wanted}"
            raise self._mapping.error(path, message)
        return found

    def optional(self, relation: Relation, key: str, name: str | None, allowed: tuple[str, ...] = ()) -> str | None:
        """``name``, or None where nobody asked for it and it is not there."""
        if name is None or (name not in relation.types and not self._mapping.named(relation.place, key)):
            return None
        self.type_of(relation, key, name, allowed)
        return name


def _job_id(looked: _Columns, entries: Relation, spec: TransactionsSpec) -> str:
    column = quoted(spec.job.column)
    found = looked.type_of(entries, "job", spec.job.column, ("json", "jsonb") if spec.job.path else ())
    if len(spec.job.path) == 1:  # written as people write it, so that the planner knows it from their indexes
        return f"({column} ->> {_literal(spec.job.path[0])})"
    if spec.job.path:
        return f"({column} #>> {literals(spec.job.path)})"
    assert found
    return f"{column}::text"


def _literal(value: Any) -> str:
    return sql.Literal(value).as_string()
