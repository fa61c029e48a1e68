"""Which tables a statement touches, through the functions that it calls and the triggers that these fire."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import postgast

from harness.sqltext.parse import SqlSyntaxError, parse

Footprint = frozenset[str] | None
"""Table names without schema; None: it may touch anything."""

_LOOKED_INTO = {
    "select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "call_stmt", "lock_stmt",
    "declare_cursor_stmt", "transaction_stmt", "variable_set_stmt", "variable_show_stmt", "notify_stmt", "listen_stmt",
    "unlisten_stmt", "close_portal_stmt", "deallocate_stmt", "constraints_set_stmt",
}  # fmt: skip
"""Statements that name all they touch. The others hide it (DO, EXECUTE, FETCH) or reach further (DDL)."""

_STRAY_BRACKET = re.compile(r"(?<=[\[,])\{\}\}(?=[,\]])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What a database holds: ``functions``: name → definitions as ``pg_get_functiondef`` gives them (several when
    overloaded) with their language; ``triggers``: table → names of trigger functions; ``tables``: all of them."""

    functions: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    triggers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tables: frozenset[str] = frozenset()


def footprint(sql: str, catalog: Catalog) -> Footprint:
    """Tables of ``catalog`` that ``sql`` may read, write or lock; None when that cannot be told."""
    seen: set[str] = set()
    return _of_text(sql, catalog, seen)


def _of_text(sql: str, catalog: Catalog, seen: set[str]) -> Footprint:
    try:
        tree = parse(sql)
    except SqlSyntaxError:
        return None
    if any(s.stmt.WhichOneof("node") not in _LOOKED_INTO for s in tree.stmts):
        return None
    tables = {_bare(t) for t in postgast.extract_tables(tree)} & catalog.tables
    names = {_bare(f) for f in postgast.extract_functions(tree)}
    for table in tables:
        names |= set(catalog.triggers.get(table, ()))
    for name in names - seen:
        seen.add(name)
        for language, definition in catalog.functions.get(name, ()):
            inner = _of_function(language, definition, catalog, seen)
            if inner is None:
                return None
            tables |= inner
    return frozenset(tables)


def _of_function(language: str, definition: str, catalog: Catalog, seen: set[str]) -> Footprint:
    if language == "sql":
        return _of_sql_function(definition, catalog, seen)
    if language != "plpgsql":
        return None
    try:
        body = _plpgsql(definition)
    except (postgast.PgQueryError, json.JSONDecodeError):
        return None
    tables: set[str] = set()
    for kind, query in _expressions(body):
        inner = None if kind == "dynamic" else _of_expression(query, catalog, seen)
        if inner is None:
            return None
        tables |= inner
    return frozenset(tables)


def _plpgsql(definition: str) -> Any:
    try:
        return postgast.parse_plpgsql(definition)
    except json.JSONDecodeError as e:
        # libpg_query closes one bracket too many for each TG_ variable of a trigger function.
        return json.loads(_STRAY_BRACKET.sub("{}", e.doc))


def _of_sql_function(definition: str, catalog: Catalog, seen: set[str]) -> Footprint:
    try:
        [statement] = parse(definition).stmts
    except (SqlSyntaxError, ValueError):
        return None
    for option in statement.stmt.create_function_stmt.options:
        if option.def_elem.defname == "as":
            return _of_text(option.def_elem.arg.list.items[0].string.sval, catalog, seen)
    return None  # BEGIN ATOMIC


def _of_expression(query: str, catalog: Catalog, seen: set[str]) -> Footprint:
    """PL/pgSQL keeps statements, expressions and assignments in one field."""
    target, assigned, value = query.partition(":=")
    candidates = [query, f"SELECT {query}"]
    if assigned and "'" not in target:
        candidates.append(f"SELECT {value}")
    for text in candidates:
        try:
            parse(text)
        except SqlSyntaxError:
            continue
        return _of_text(text, catalog, seen)
    return None


def _expressions(node: Any) -> Iterator[tuple[str, str]]:
    """All expressions of a PL/pgSQL tree; those whose *value* is SQL text come out as "dynamic"."""
    if isinstance(node, dict):
        if {"PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors", "dynquery"} & node.keys():
            yield "dynamic", ""
        if "PLpgSQL_expr" in node:
            yield "static", node["PLpgSQL_expr"]["query"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _expressions(child)


def _bare(name: str) -> str:
    return name.rsplit(".", 1)[-1]
