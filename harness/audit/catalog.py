"""What the catalogs say of the functions that move money, and of the tables that hold it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.audit.mapping import MappingSpec
from harness.audit.preflight import split_name
from harness.audit.session import Reading

_FUNCTIONS = """
SELECT p.oid::regprocedure::text AS signature, n.nspname AS schema, p.proname AS name, p.prokind = 'f' AS is_function,
       p.provolatile = 'v' AS volatile, p.prosecdef AS definer, pg_get_userbyid(p.proowner) AS owner,
       (SELECT string_to_array(replace(substr(c, 13), ' ', ''), ',') FROM unnest(p.proconfig) AS c
        WHERE c LIKE 'search_path=%%') AS path,
       ARRAY(SELECT s.nspname::text FROM unnest(p.proconfig) AS c
             CROSS JOIN LATERAL unnest(string_to_array(replace(substr(c, 13), ' ', ''), ','))
               WITH ORDINALITY AS w (n, place)
             JOIN pg_namespace AS s ON s.nspname = trim(w.n, '"')
             WHERE c LIKE 'search_path=%%' AND (has_schema_privilege('public', s.oid, 'CREATE') OR EXISTS (
               SELECT FROM pg_roles AS r
               WHERE r.rolname = ANY (%(untrusted)s) AND has_schema_privilege(r.oid, s.oid, 'CREATE')))
             ORDER BY w.place) AS open_schemas,
       has_function_privilege('public', p.oid, 'EXECUTE') AS public_may,
       ARRAY(SELECT r.rolname::text FROM pg_roles AS r
             WHERE r.rolname = ANY (%(untrusted)s) AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
               AND has_schema_privilege(r.oid, n.oid, 'USAGE')
             ORDER BY r.rolname) AS may_execute,
       (SELECT has_function_privilege(r.oid, p.oid, 'EXECUTE') AND has_schema_privilege(r.oid, n.oid, 'USAGE')
        FROM pg_roles AS r WHERE r.rolname = %(service)s) AS service_may
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE p.prokind IN ('f', 'p') AND p.prorettype <> 'pg_catalog.trigger'::regtype
  AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%%'
  AND (p.proname = ANY (%(names)s)
       OR (p.prosecdef AND coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) ~* %(writes)s))
ORDER BY p.oid::regprocedure::text COLLATE "C"
"""
_TABLE = """
SELECT pg_get_userbyid(c.relowner) AS owner, c.relrowsecurity AS row_security, c.relkind IN ('r', 'p') AS is_table,
       ARRAY(SELECT g.name || ' ' || string_agg(v.privilege, ', ' ORDER BY v.place)
             FROM (SELECT r.oid, r.rolname::text AS name FROM pg_roles AS r WHERE r.rolname = ANY (%(untrusted)s)
                   UNION ALL SELECT 0, 'PUBLIC') AS g
             CROSS JOIN (VALUES (1, 'INSERT'), (2, 'UPDATE'), (3, 'DELETE'), (4, 'TRUNCATE')) AS v (place, privilege)
             WHERE CASE WHEN g.oid = 0 THEN has_table_privilege('public', c.oid, v.privilege)
                        ELSE has_table_privilege(g.oid, c.oid, v.privilege)
                             AND has_schema_privilege(g.oid, c.relnamespace, 'USAGE') END
             GROUP BY g.name ORDER BY g.name) AS writers,
       ARRAY(SELECT pg_get_constraintdef(k.oid, true) FROM pg_constraint AS k
             WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.convalidated ORDER BY k.conname) AS conditions,
       (SELECT jsonb_object_agg(a.attname, quote_ident(a.attname)) FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS written
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(name)s
"""
_INDEXES = """
SELECT c.relname AS name, coalesce(pg_get_expr(i.indpred, i.indrelid, true), '') AS predicate,
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true)
             FROM generate_series(1, i.indnkeyatts) AS k ORDER BY k) AS keys
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_class AS t ON t.oid = i.indrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE n.nspname = %(schema)s AND t.relname = %(name)s AND i.indisunique AND i.indisvalid AND i.indisready
ORDER BY c.relname COLLATE "C"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function or procedure. ``may_execute``: of the roles that should not, those that can; ``service_may``: None
    where there is no such role. ``path``: the schemas of the search_path that it sets, None when it sets none;
    ``open_schemas``: those of them in which untrusted roles may create."""

    signature: str
    schema: str
    name: str
    is_function: bool
    volatile: bool
    definer: bool
    owner: str
    path: list[str] | None
    open_schemas: list[str]
    public_may: bool
    may_execute: list[str]
    service_may: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A unique index that is in use. ``keys``: columns and expressions as the server writes them; ``predicate``: "" for
    an index of the whole table."""

    name: str
    predicate: str
    keys: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A table (``is_table``; else a view) of the ledger. ``writers``: untrusted roles with what they may do to it, such
    as ``anon INSERT, UPDATE``; ``conditions``: its CHECK constraints; ``written``: its columns as the server writes
    them there and in indexes, with quotes where a name needs them (which depends on its keywords)."""

    name: str
    owner: str
    row_security: bool
    is_table: bool
    writers: list[str]
    conditions: list[str]
    written: dict[str, str]
    unique: tuple[Index, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """All of it. ``functions``: those that the mapping names, and every SECURITY DEFINER function that writes to one of
    the three tables."""

    functions: tuple[Function, ...]
    jobs: Kept
    entries: Kept
    balances: Kept


def read_catalog(reading: Reading, spec: MappingSpec) -> Catalog:
    """What there is for ``spec``, whose tables exist."""
    tables = [spec.jobs.table, spec.transactions.table, spec.balances.table]
    names = [split_name(f)[1] for f in (spec.functions.refund, *spec.functions.others) if f]
    values = {
        "untrusted": spec.roles.untrusted, "service": spec.roles.service or "", "names": names,
        "writes": writing_to([split_name(table)[1] for table in tables]),
    }  # fmt: skip
    functions = tuple(Function(**row) for row in reading.rows(_FUNCTIONS, values))
    kept = [_kept(reading, table, spec.roles.untrusted) for table in tables]
    return Catalog(functions=functions, jobs=kept[0], entries=kept[1], balances=kept[2])


def writing_to(tables: list[str]) -> str:
    """A regular expression of the server's for text that changes one of ``tables``, qualified or not, quoted or not."""
    names = "|".join("".join(c if c.isalnum() or c == "_" else f"\\{c}" for c in name) for name in tables)
    return (
        rf"\m(insert\s+into|update(\s+only)?|delete\s+from(\s+only)?|merge\s+into(\s+only)?)\s+(\S+\.)?\"?({names})\M"
    )


def _kept(reading: Reading, table: str, untrusted: list[str]) -> Kept:
    schema, name = split_name(table)
    values = {"schema": schema, "name": name, "untrusted": untrusted}
    [row] = reading.rows(_TABLE, values)
    unique = tuple(Index(**index) for index in reading.rows(_INDEXES, values))
    return Kept(name=f"{schema}.{name}", unique=unique, **row)
