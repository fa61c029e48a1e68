"""Reads a `Schema` from a database's system catalogs."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import psycopg

from harness.scaffold.schema import Column, Function, Parameter, Reference, Schema, Table, Type

_THEIRS = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname !~ '^pg_(toast_)?temp_'"
_NAMED = "format(CASE n.nspname WHEN 'public' THEN '%2$I' ELSE '%I.%I' END, n.nspname, {})"

_TYPES = """
WITH RECURSIVE down AS (
  SELECT oid, oid AS at, typtypmod AS mod, ARRAY[]::oid[] AS domains FROM pg_type
  UNION ALL SELECT d.oid, t.typbasetype, t.typtypmod, d.domains || t.oid FROM down d JOIN pg_type t ON t.oid = d.at
  WHERE t.typtype = 'd'
)
SELECT d.oid, CASE WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN e.typname ELSE t.typname END,
  t.typcategory = 'A' AND t.typelem <> 0, d.mod,
  ARRAY(SELECT enumlabel::text FROM pg_enum
    WHERE enumtypid = CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE t.oid END ORDER BY enumsortorder),
  ARRAY(SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contypid = ANY (d.domains) AND contype = 'c'
    ORDER BY conname)
FROM down d JOIN pg_type t ON t.oid = d.at LEFT JOIN pg_type e ON e.oid = t.typelem WHERE t.typtype <> 'd'
"""
_TABLES = f"""
SELECT c.oid, n.nspname, c.relname, {_NAMED.format("c.relname")} FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND {_THEIRS} ORDER BY 4
"""
_COLUMNS = """
SELECT a.attrelid, a.attname, quote_ident(a.attname), a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod),
  a.attnotnull,  coalesce(pg_get_expr(d.adbin, d.adrelid), ''), a.attidentity::text, a.attgenerated::text
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum
"""
_UNIQUE = """
SELECT i.indrelid, i.indexrelid::regclass::text, c.relname, ARRAY(SELECT a.attname::text
  FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (n, o)
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n
  ORDER BY k.o), i.indexprs IS NULL AND i.indpred IS NULL
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisunique ORDER BY i.indrelid, NOT i.indisprimary, 2
"""
_CONSTRAINTS = """
SELECT k.conrelid, k.conname, k.contype::text, pg_get_constraintdef(k.oid), k.confrelid, {}, {}
FROM pg_constraint k WHERE k.conrelid <> 0 AND k.contype IN ('c', 'f', 'x') ORDER BY k.conrelid, k.conname
""".format(
    *(
        f"ARRAY(SELECT a.attname::text FROM unnest(k.{keys}) WITH ORDINALITY u (n, o) "
        f"JOIN pg_attribute a ON a.attrelid = k.{relation} AND a.attnum = u.n ORDER BY u.o)"
        for keys, relation in (("conkey", "conrelid"), ("confkey", "confrelid"))
    )
)
_FUNCTIONS = f"""
SELECT n.nspname || '.' || p.proname || '(' ||
  array_to_string(ARRAY(SELECT format_type(u.t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY u (t, i) ORDER BY u.i),
    ', ') || ')',
  n.nspname, p.proname, {_NAMED.format("p.proname")}, quote_ident(n.nspname), p.prokind = 'p', p.proargtypes::oid[],
  coalesce(p.proargnames, ARRAY[]::text[]), coalesce(p.proargmodes::text[], ARRAY[]::text[]), p.pronargdefaults,
  p.provariadic <> 0,
  ARRAY(SELECT format_type(u.t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY u (t, i) ORDER BY u.i)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.prokind IN ('f', 'p') AND {_THEIRS}
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
ORDER BY 1
"""
_INPUT = ("i", "b", "v")


def read_schema(connection: psycopg.Connection[Any]) -> Schema:
    """Everything at once. Raises `psycopg.Error` as the server does."""

    def rows(query: str) -> list[tuple[Any, ...]]:
        return connection.execute(query.encode()).fetchall()

    types = {oid: rest for oid, *rest in rows(_TYPES)}
    named = rows(_TABLES)
    keys = {oid: key for oid, _, _, key in named}
    columns: dict[int, list[Column]] = defaultdict(list)
    for oid, name, quoted, type_oid, mod, written, not_null, default, identity, generated in rows(_COLUMNS):
        if oid in keys and type_oid in types:
            columns[oid].append(
                Column(
                    name=name,
                    written=quoted,
                    type=_type(types[type_oid], written, mod),
                    not_null=not_null,
                    default="" if generated else default,
                    serial=bool(identity) or "nextval(" in default,
                    always=identity == "a",
                    computed=bool(generated),
                )
            )
    unique: dict[int, list[tuple[str, ...]]] = defaultdict(list)
    constraints: dict[int, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for oid, _, index, names, plain in rows(_UNIQUE):
        constraints[oid][index] = tuple(names)
        if plain:
            unique[oid].append(tuple(names))
    checks: dict[int, dict[str, str]] = defaultdict(dict)
    references: dict[int, list[Reference]] = defaultdict(list)
    for oid, name, kind, text, parent, mine, theirs in rows(_CONSTRAINTS):
        constraints[oid][name] = tuple(mine)
        if kind == "c":
            checks[oid][name] = text
        elif kind == "f" and parent in keys:
            references[oid].append(Reference(columns=tuple(mine), parent=keys[parent], parent_columns=tuple(theirs)))
    tables = {
        key: Table(
            schema=schema,
            name=name,
            key=key,
            columns=tuple(columns[oid]),
            unique=tuple(unique[oid]),
            references=tuple(references[oid]),
            checks=checks[oid],
            constraints=constraints[oid],
            rows=connection.execute(f"SELECT count(*) FROM {key}".encode()).fetchall()[0][0],
        )
        for oid, schema, name, key in named
    }
    functions = {f.identity: f for f in (_function(row, types) for row in rows(_FUNCTIONS)) if f is not None}
    return Schema(tables=tables, functions=functions)


def _type(found: list[Any], written: str, mod: int = -1) -> Type:
    base, array, inner_mod, labels, checks = found
    mod = mod if mod > 0 else inner_mod
    limit = mod - 4 if mod > 4 and base in ("varchar", "bpchar") else 0
    return Type(name=written, base=base, array=array, labels=tuple(labels), limit=limit, checks=tuple(checks))


def _function(row: tuple[Any, ...], types: dict[int, list[Any]]) -> Function | None:
    """None for one with an argument of a type that is no value (a polymorphic one)."""
    identity, schema, name, called, home, procedure, oids, names, modes, defaults, variadic, written = row
    if any(oid not in types for oid in oids):
        return None
    inputs = [n for n, mode in zip(names, modes, strict=False) if mode in _INPUT] if modes else names
    inputs = inputs + [""] * (len(oids) - len(inputs))
    parameters = tuple(
        Parameter(
            name=n,
            type=_type(types[oid], text),
            optional=i >= len(oids) - defaults,
            variadic=variadic and i == len(oids) - 1,
        )
        for i, (oid, n, text) in enumerate(zip(oids, inputs, written, strict=False))
    )
    return Function(
        identity=identity,
        schema=schema,
        name=name,
        called=called,
        home=home,
        parameters=parameters,
        procedure=procedure,
        holes=tuple(i for i, m in enumerate(m for m in modes if m != "t") if m == "o" and procedure),
    )
