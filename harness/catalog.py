"""Reads what footprints and gates need to know from a database's system catalogs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any

import psycopg

from harness.sqltext.catalog import Catalog, ForeignKey, Relation, Routine, Trigger

_OURS = "NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'harness') AND n.nspname NOT LIKE 'pg\\_temp\\_%'"

_ROUTINES = f"""
SELECT n.nspname || '.' || p.proname || '(' ||
  array_to_string(ARRAY(SELECT format_type(u.t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY u (t, i) ORDER BY u.i),
    ', ') || ')',
  n.nspname, p.proname, l.lanname, CASE WHEN p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) ELSE '' END,
  p.prosrc, p.prokind::text, p.provolatile::text, p.prorettype = 'trigger'::regtype, p.prosqlbody IS NOT NULL,
  p.proretset,
  ARRAY(SELECT s.proname::text FROM pg_aggregate a JOIN pg_proc s ON s.oid IN (a.aggtransfn, a.aggfinalfn,
    a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
    WHERE a.aggfnoid = p.oid),
  coalesce((SELECT e.extname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    AND d.refclassid = 'pg_extension'::regclass), '')
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname {_OURS} ORDER BY 1
"""
_RELATIONS = f"""
SELECT c.oid, c.relname, c.relkind::text, CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) ELSE '' END,
  EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname {_OURS} ORDER BY c.oid
"""
_PARENTS = "SELECT inhrelid, inhparent FROM pg_inherits ORDER BY inhseqno"
_TRIGGERS = """
SELECT t.tgrelid, p.proname, t.tgtype::int, t.tgdeferrable FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' ORDER BY t.tgrelid, t.tgname
"""
_KEYS = """
SELECT k.conrelid, k.confrelid,
  ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = k.conrelid AND attnum = ANY (k.conkey)),
  ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = k.confrelid AND attnum = ANY (k.confkey)),
  k.confdeltype::text, k.confupdtype::text, k.condeferrable
FROM pg_constraint k WHERE k.contype = 'f' ORDER BY k.oid
"""
_RECHECKED = "SELECT DISTINCT conrelid FROM pg_constraint WHERE condeferrable AND contype IN ('p', 'u', 'x')"
_EXPRESSIONS = """
SELECT polrelid, 'policy', pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polqual IS NOT NULL
UNION ALL SELECT polrelid, 'policy', pg_get_expr(polwithcheck, polrelid) FROM pg_policy WHERE polwithcheck IS NOT NULL
UNION ALL SELECT d.adrelid, CASE WHEN a.attgenerated = '' THEN 'default' ELSE 'check' END,
  pg_get_expr(d.adbin, d.adrelid)
  FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
UNION ALL SELECT conrelid, 'check', pg_get_expr(conbin, conrelid) FROM pg_constraint
  WHERE contype = 'c' AND conrelid <> 0
UNION ALL SELECT a.attrelid, 'check', replace(pg_get_expr(k.conbin, 0), 'VALUE', 'NULL')
  FROM pg_constraint k JOIN pg_attribute a ON a.atttypid = k.contypid WHERE k.contype = 'c' AND k.contypid <> 0
UNION ALL SELECT indrelid, 'check', pg_get_expr(indexprs, indrelid) FROM pg_index WHERE indexprs IS NOT NULL
UNION ALL SELECT indrelid, 'check', pg_get_expr(indpred, indrelid) FROM pg_index WHERE indpred IS NOT NULL
"""
_IDENTITIES = """
SELECT d.refobjid, s.relname FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i'
"""
_SEQUENCE_COLUMNS = f"""
WITH RECURSIVE fed AS (
  SELECT a.attrelid AS rel, a.attnum AS col, a.attrelid AS from_rel, a.attnum AS from_col FROM pg_attribute a
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attnum > 0 AND NOT a.attisdropped
    AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE '%nextval(%')
UNION
  SELECT k.conrelid, k.conkey[i], fed.from_rel, fed.from_col FROM fed
  JOIN pg_constraint k ON k.contype = 'f' AND k.confrelid = fed.rel
  CROSS JOIN LATERAL generate_subscripts(k.conkey, 1) i WHERE k.confkey[i] = fed.col
), named AS (
  SELECT c.oid, format(CASE n.nspname WHEN 'public' THEN '%2$I' ELSE '%I.%I' END, n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname {_OURS}
)
SELECT t.name, a.attname, s.name || '.' || b.attname FROM fed
JOIN named t ON t.oid = rel JOIN pg_attribute a ON a.attrelid = rel AND a.attnum = col
JOIN named s ON s.oid = from_rel JOIN pg_attribute b ON b.attrelid = from_rel AND b.attnum = from_col
ORDER BY 1, 2, (rel, col) <> (from_rel, from_col), 3
"""
_BUILTINS = "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace"
_OPERATORS = """
SELECT o.oprname, p.proname FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode
WHERE o.oprnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
"""
_EVENTS = {4: "insert", 8: "delete", 16: "update", 32: "truncate"}
_FOREIGN = "f"


def read_catalog(connection: psycopg.Connection[Any]) -> Catalog:
    """Everything at once. Raises `psycopg.Error` as the server does; leaves the session as it was."""

    def rows(query: str) -> list[tuple[Any, ...]]:
        return connection.execute(query.encode()).fetchall()

    found = rows(_RELATIONS)
    names = {oid: name for oid, name, *_ in found}
    roots = _roots(names, rows(_PARENTS))
    pieces: dict[str, list[Relation]] = {}
    for oid, _, kind, view, rules in found:
        root = names[roots[oid]]
        pieces.setdefault(root, []).append(Relation(name=root, view=view, beyond=rules or kind == _FOREIGN))
    for piece in (*_triggers(rows(_TRIGGERS)), *_expressions(rows(_EXPRESSIONS)), *_identities(rows(_IDENTITIES))):
        oid, relation = piece
        if oid in roots:
            pieces[names[roots[oid]]].append(relation)
    return Catalog(
        routines=tuple(_routine(row) for row in rows(_ROUTINES)),
        relations={name: reduce(or_, found) for name, found in pieces.items()},
        roots={names[oid]: names[root] for oid, root in roots.items() if names[oid] != names[root]},
        keys=tuple(_keys(rows(_KEYS), names, roots)),
        rechecked=frozenset(names[roots[oid]] for (oid,) in rows(_RECHECKED) if oid in roots),
        sequence_columns=_sequence_columns(rows(_SEQUENCE_COLUMNS)),
        builtins=frozenset(name for (name,) in rows(_BUILTINS)),
        operators=_grouped(rows(_OPERATORS)),
    )


def _roots(names: dict[int, str], parents: list[tuple[Any, ...]]) -> dict[int, int]:
    """For each relation the top of its inheritance tree (itself, mostly; of several parents the first)."""
    above: dict[int, int] = {}
    for child, parent in parents:
        above.setdefault(child, parent)
    roots = {}
    for oid in names:
        root = oid
        while root in above:
            root = above[root]
        roots[oid] = root
    return roots


def _routine(row: tuple[Any, ...]) -> Routine:
    identity, schema, name, language, definition, source, kind, volatility, trigger, atomic, srf, runs, extension = row
    return Routine(
        identity=identity, schema=schema, name=name, language=language, definition=definition, source=source, kind=kind,
        volatility=volatility, trigger=trigger, atomic=atomic, returns_set=srf, runs=tuple(runs), extension=extension,
    )  # fmt: skip


def _triggers(rows: Iterable[tuple[Any, ...]]) -> Iterable[tuple[int, Relation]]:
    for oid, function, kind, deferrable in rows:
        trigger = Trigger(
            function=function,
            events=frozenset(event for bit, event in _EVENTS.items() if kind & bit),
            row=bool(kind & 1),
            before=bool(kind & 2),
            deferrable=deferrable,
        )
        yield oid, Relation(name="", triggers=(trigger,))


def _expressions(rows: Iterable[tuple[Any, ...]]) -> Iterable[tuple[int, Relation]]:
    for oid, kind, text in rows:
        if kind == "policy":
            yield oid, Relation(name="", policies=(text,))
        elif kind == "default":
            yield oid, Relation(name="", defaults=(text,))
        else:
            yield oid, Relation(name="", checks=(text,))


def _identities(rows: Iterable[tuple[Any, ...]]) -> Iterable[tuple[int, Relation]]:
    for oid, sequence in rows:
        yield oid, Relation(name="", sequences=frozenset({sequence}))


def _keys(rows: Iterable[tuple[Any, ...]], names: dict[int, str], roots: dict[int, int]) -> Iterable[ForeignKey]:
    for child, parent, child_columns, parent_columns, on_delete, on_update, deferrable in rows:
        if child in roots and parent in roots:
            yield ForeignKey(
                child=names[roots[child]],
                child_columns=frozenset(child_columns),
                parent=names[roots[parent]],
                parent_columns=frozenset(parent_columns),
                on_delete=on_delete,
                on_update=on_update,
                deferrable=deferrable,
            )


def _sequence_columns(rows: Iterable[tuple[Any, ...]]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for table, column, origin in rows:
        found.setdefault(table, {}).setdefault(column, origin)
    return found


def _grouped(rows: Iterable[tuple[Any, ...]]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for key, value in rows:
        found.setdefault(key, set()).add(value)
    return {key: frozenset(values) for key, values in found.items()}
