"""Are the tables and columns of the mapping there, readable, and of types that can be judged?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from harness.audit.mapping import JobsSpec, Mapping, TransactionsSpec
from harness.audit.session import Reading
from harness.audit.sources import Ledger
from harness.errors import UsageError
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

    @property
    def words(self) -> str:
        return f"{self.schema}.{self.name}"


def quoted(*parts: str) -> str:
    """An identifier as SQL writes it."""
    return sql.Identifier(*parts).as_string()


def one_of(expression: str, values: Sequence[str]) -> str:
    """A condition. It is asked of every row several times, and = is several times as fast as = ANY."""
    if len(values) == 1:
        return f"({expression} = {_literal(values[0])})"
    return f"({expression} = ANY ({_array(values)}))"


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
    users = {
        looked.type_of(relation, "user", name)
        for relation, name in (
            (jobs, spec.jobs.user),
            (entries, spec.transactions.user),
            (balances, spec.balances.user),
        )
    }
    started = looked.optional(jobs, "started", spec.jobs.started)
    seq = looked.optional(entries, "seq", spec.transactions.seq, _WHOLE)
    created = looked.optional(entries, "created", spec.transactions.created)
    numbers = {
        looked.type_of(balances, "balance", spec.balances.balance, _NUMBERS),
        looked.type_of(entries, "amount", spec.transactions.amount, _NUMBERS),
        *(
            looked.type_of(entries, key, name, _NUMBERS)
            for key, name in (("before", spec.transactions.before), ("after", spec.transactions.after))
            if name
        ),
    }
    common = Common(user="::text" if len(users) > 1 else "", number="numeric" if "numeric" in numbers else "bigint")
    return Ledger(
        jobs=_jobs(looked, jobs, spec.jobs, common, started),
        entries=_entries(looked, entries, spec.transactions, common, seq, created),
        balances=f"""SELECT {quoted(spec.balances.user)}{common.user} AS user_id,
  {common.value(spec.balances.balance)} AS balance FROM {balances.quoted}""",
        tables=(jobs.words, entries.words, balances.words),
        ordered=seq is not None,
        chained=spec.transactions.before is not None,
        timed=started is not None,
        dated=created is not None,
        number=common.number,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What columns of different tables are cast to, so that they can be compared."""

    user: str
    number: str

    def value(self, name: str | None) -> str:
        """The column ``name`` as a number, or NULL."""
        return f"{quoted(name) if name else 'NULL'}::{self.number}"


def _jobs(looked: _Columns, jobs: Relation, spec: JobsSpec, common: Common, started: str | None) -> str:
    for key, name in (("id", spec.id), ("status", spec.status)):
        looked.type_of(jobs, key, name)
    status = f"{quoted(spec.status)}::text"
    listed = [*spec.waiting, *spec.processing, *spec.completed, *spec.failed]
    return f"""SELECT {quoted(spec.id)}::text AS job_id, {quoted(spec.user)}{common.user} AS user_id,
  {status} AS status,
  {one_of(status, spec.failed)} AS failed, {one_of(status, spec.completed)} AS completed,
  {one_of(status, spec.processing)} AS processing, {one_of(status, listed)} AS listed, {_time(started)} AS started_at
  FROM {jobs.quoted}"""


def _entries(
    looked: _Columns, entries: Relation, spec: TransactionsSpec, common: Common, seq: str | None, created: str | None
) -> str:
    looked.type_of(entries, "type", spec.type)
    kind = f"{quoted(spec.type)}::text"
    amount = common.value(spec.amount)
    if spec.amounts == "unsigned":
        amount = f"CASE WHEN {one_of(kind, [*spec.charge, *spec.debit])} THEN -{amount} ELSE {amount} END"
    # A sum of integers is a bigint; one of bigints is numeric, and slower.
    small = "::integer" if entries.types[spec.amount] in ("smallint", "integer") else ""
    return f"""SELECT {quoted(spec.user)}{common.user} AS user_id, {kind} AS type,
  {amount} AS amount, ({amount}){small} AS summand,
  {one_of(kind, spec.charge)} AS charge, {one_of(kind, spec.refund)} AS refund,
  {common.value(spec.before)} AS balance_before, {common.value(spec.after)} AS balance_after,
  {quoted(seq) if seq else "NULL::bigint"} AS seq, {_job_id(looked, entries, spec)} AS job_id,
  {_time(created)} AS created_at
  FROM {entries.quoted}"""


def _time(name: str | None) -> str:
    return f"{quoted(name) if name else 'NULL'}::timestamptz"


def _relation(reading: Reading, mapping: Mapping, place: str, name: str) -> Relation:
    schema, table = split_name(name)
    found = reading.rows(_RELATION, {"schema": schema, "name": table})
    if not found:
        raise mapping.error((place, "table"), f"there is no table {schema}.{table} in this database")
    if not found[0]["usable"]:
        raise UsageError(f"this role may not use the schema {schema}: GRANT USAGE ON SCHEMA {schema} to it")
    columns = reading.rows(_COLUMNS, {"oid": found[0]["oid"]})
    unreadable = [c["name"] for c in columns if not c["readable"]]
    # Which of them are needed is known when the mapping is gone through; a table without any right is told at once.
    if len(unreadable) == len(columns):
        raise UsageError(f"this role may not read {schema}.{table}: GRANT SELECT ON {schema}.{table} to it")
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
            raise self._mapping.error(path, f"there is no column {name} in {relation.words}{hint}")
        found = relation.types[name]
        if not found:
            raise UsageError(f"this role may not read {relation.words}.{name}: GRANT SELECT ON {relation.words} to it")
        if allowed and found not in allowed:
            wanted = " or ".join((", ".join(allowed[:-1]), allowed[-1]))
            message = f"{relation.words}.{name} is {found}: it must be {wanted}"
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
        return f"({column} #>> {_array(spec.job.path)})"
    assert found
    return f"{column}::text"


def _array(values: Sequence[str]) -> str:
    return f"ARRAY[{', '.join(_literal(v) for v in values)}]::text[]"


def _literal(value: Any) -> str:
    return sql.Literal(value).as_string()
