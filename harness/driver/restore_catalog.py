"""What there is to put back: tables, sequences, and copies of their rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

import psycopg

SCHEMA_OF_OURS = "harness"
_HALF_A_PAGE = 4096
_MOST_ITEMS = 140
"""Row versions of which a page can list twice as many."""
USERS = f"""n.nspname NOT IN ('pg_catalog', 'information_schema', '{SCHEMA_OF_OURS}')
  AND n.nspname NOT LIKE 'pg\\_%' AND c.relpersistence <> 't'"""
_NO_EXTENSION = """NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid
  AND e.deptype = 'e')"""

_TABLES = f"""
SELECT c.oid::int8, format('%I.%I', n.nspname, c.relname),
  array(SELECT v FROM (SELECT c.oid AS a UNION SELECT relid FROM pg_partition_ancestors(c.oid) AS p(relid)) AS anc
    JOIN pg_class ac ON ac.oid = anc.a JOIN pg_namespace an ON an.oid = ac.relnamespace
    CROSS JOIN LATERAL (VALUES (ac.relname::text), (an.nspname || '.' || ac.relname)) AS names(v)),
  array(SELECT quote_ident(attname) FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY attnum),
  array(SELECT quote_ident(attname) FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attidentity = 'a' AND NOT a.attisdropped),
  coalesce((SELECT array(
      SELECT format('s.%1$I OPERATOR(%2$I.%3$s) t.%1$I', a.attname, opn.nspname, o.oprname)
      FROM unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY AS k(attnum, class, place)
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
      JOIN pg_opclass oc ON oc.oid = k.class
      JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3
        AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
      JOIN pg_operator o ON o.oid = ao.amopopr JOIN pg_namespace opn ON opn.oid = o.oprnamespace
      WHERE k.place <= i.indnkeyatts ORDER BY k.place)
    FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate AND i.indisvalid), '{{}}'),
  array(SELECT format('%s TRIGGER %I', CASE tgenabled WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA ' ELSE '' END,
      tgname) FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal AND tgenabled <> 'D')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND {USERS} AND {_NO_EXTENSION} ORDER BY 2
"""
_SEQUENCES = f"""
SELECT c.oid::int8, format('%I.%I', n.nspname, c.relname),
  ARRAY['sequence ' || c.relname, 'sequence ' || n.nspname || '.' || c.relname]
  || array(SELECT v FROM pg_depend d JOIN pg_class t ON t.oid = d.refobjid
    JOIN pg_namespace tn ON tn.oid = t.relnamespace
    CROSS JOIN LATERAL (VALUES (t.relname::text), (tn.nspname || '.' || t.relname)) AS names(v)
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass
      AND d.deptype IN ('a', 'i'))
  || array(SELECT v FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid JOIN pg_class t ON t.oid = f.adrelid
    JOIN pg_namespace tn ON tn.oid = t.relnamespace
    CROSS JOIN LATERAL (VALUES (t.relname::text), (tn.nspname || '.' || t.relname)) AS names(v)
    WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND {USERS} AND {_NO_EXTENSION} ORDER BY 2
"""
_REFERENCES = "SELECT conrelid::int8, confrelid::int8 FROM pg_constraint WHERE contype = 'f'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """``sql``: its quoted name. ``tags``: names that stand for it, its partition roots' included. ``columns``: quoted,
    those that can be written; ``always``: those GENERATED ALWAYS AS IDENTITY. ``key``: conditions under which a saved
    row ``s`` is row ``t`` (none: no primary key). ``triggers``: the person's that are on, as ALTER TABLE … ENABLE names
    them. ``referenced``: by foreign keys."""

    oid: int
    sql: str
    tags: frozenset[str]
    columns: tuple[str, ...]
    always: tuple[str, ...]
    key: tuple[str, ...]
    triggers: tuple[str, ...]
    referenced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What is remembered of a table. ``rows``: how many; ``width``: of the widest, in bytes on its page."""

    table: Table
    rows: int
    width: int

    @property
    def small(self) -> bool:
        """All rows together leave most of a page free."""
        return self.rows <= self.last_item // 2

    @property
    def last_item(self) -> int:
        """The place in a page up to which rows of this width leave the page half empty."""
        return min(_HALF_A_PAGE // max(self.width, 1), _MOST_ITEMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """A sequence and where it stands. ``tags``: its own names behind ``sequence``, and the tables that draw from it."""

    oid: int
    sql: str
    tags: frozenset[str]
    last: int
    called: bool


def find_tables(conn: psycopg.Connection[Any]) -> tuple[Table, ...]:
    """Every table of the person's, those that refer to others before those that they refer to."""
    references: dict[int, set[int]] = {}
    for child, parent in conn.execute(_raw(_REFERENCES)).fetchall():
        references.setdefault(parent, set()).add(child)
    tables = {
        oid: Table(
            oid=oid,
            sql=name,
            tags=frozenset(tags),
            columns=tuple(columns),
            always=tuple(always),
            key=tuple(key),
            triggers=tuple(triggers),
            referenced=oid in references,
        )
        for oid, name, tags, columns, always, key, triggers in conn.execute(_raw(_TABLES)).fetchall()
        if columns
    }
    return tuple(tables[oid] for oid in _sorted(tables, references))


def find_counters(conn: psycopg.Connection[Any]) -> tuple[Counter, ...]:
    """Every sequence of the person's."""
    found = []
    for oid, name, tags in conn.execute(_raw(_SEQUENCES)).fetchall():
        [(last, called)] = conn.execute(_raw(f"SELECT last_value, is_called FROM {name}")).fetchall()
        found.append(Counter(oid=oid, sql=name, tags=frozenset(tags), last=last, called=called))
    return tuple(found)


def make_copy(conn: psycopg.Connection[Any], number: int, table: Table) -> Copy:
    """Copy a table's rows, in the order in which they lie."""
    columns = ", ".join(table.columns)
    conn.execute(_raw(f"CREATE TEMPORARY TABLE {saved(number)} AS SELECT {columns} FROM ONLY {table.sql}"))
    [(rows, width)] = conn.execute(
        _raw(f"SELECT count(*), coalesce(max(pg_column_size(s)), 32) + 12 FROM {saved(number)} s")
    ).fetchall()
    return Copy(table=table, rows=rows, width=width)


def saved(number: int) -> str:
    """The name of the n-th copy."""
    return f"harness_saved_{number}"


def _sorted(tables: Mapping[int, Table], references: Mapping[int, set[int]]) -> list[int]:
    """Children before parents, as far as there is no circle."""
    edges = {oid: {c for c in references.get(oid, ()) if c in tables and c != oid} for oid in tables}
    while True:
        try:
            return [*TopologicalSorter(edges).static_order()]
        except CycleError as e:
            before, after = e.args[1][:2]
            edges[after].discard(before)


def _raw(text: str) -> bytes:
    """Without placeholders: psycopg reads a percent sign in text as one."""
    return text.encode()
