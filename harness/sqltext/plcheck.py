"""Holds the reading of a PL/pgSQL body, and its edited copy, against the parser's own view of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import postgast

from harness.sqltext.parse import parse
from harness.sqltext.plpgsql import read_body
from harness.sqltext.plsyntax import Block, Part, PartKind, Stmt, statements
from harness.sqltext.tokens import Edit, edited, scan
from harness.sqltext.variables import SqlSyntaxError

__all__ = ["Shape", "disagreement", "parsed_shape", "read_shape"]

Shape = tuple[Counter[tuple[str, int]], Counter[str]]
"""How often each kind of statement begins on each line, and how often each query stands there."""

_STRAY_BRACKET = re.compile(r"(?<=[\[,])\{\}\}(?=[,\]])")
_STATEMENT = "PLpgSQL_stmt_"
_QUERY_MODE = 0


def disagreement(definition: str, source: str) -> str | None:
    """Why the body ``source`` of the routine ``definition`` cannot be relied on to have been read right; None: it
    can."""
    try:
        block = read_body(source)
        parsed, read = parsed_shape(definition, source, block), read_shape(block)
    except SqlSyntaxError as e:
        return e.message
    if parsed[0] != read[0]:
        odd = (parsed[0] - read[0]) + (read[0] - parsed[0])
        kind, line = min(odd, key=lambda k: k[1])
        return f"the statement {kind} in line {line} was not understood"
    if parsed[1] != read[1]:
        odd_texts = (read[1] - parsed[1]) + (parsed[1] - read[1])
        return f"a query was not understood: {min(odd_texts)[:80]}"
    return None


def read_shape(block: Block) -> Shape:
    """The shape of what `read_body` made of a body."""
    kinds = Counter((s.kind, s.line) for s in statements(block) if s.kind != "null")
    return kinds, Counter(_words(p.text) for s in statements(block) for p in _parts(s) if p.kind is PartKind.QUERY)


def _words(sql: str) -> str:
    """``sql`` without comments (the parser's texts keep those behind a statement's last word)."""
    return " ".join(t.text for t in scan(sql))


def _parts(statement: Stmt) -> Iterator[Part]:
    yield from statement.parts
    if isinstance(statement, Block):
        for declaration in statement.declarations:
            yield from declaration.parts


def parsed_shape(definition: str, source: str, block: Block) -> Shape:
    """The shape of a whole CREATE FUNCTION statement with the body ``source``, by the parser. Raises
    `SqlSyntaxError`."""
    try:
        tree = _plpgsql(definition)
    except postgast.PgQueryError as e:
        try:
            tree = _plpgsql(_simpler(definition, source, block))
        except postgast.PgQueryError:
            raise SqlSyntaxError.from_parser(e) from None
    kinds: Counter[tuple[str, int]] = Counter()
    queries: Counter[str] = Counter()
    for key, value in _walk(tree):
        if key.startswith(_STATEMENT) and value.get("lineno"):
            kinds[key.removeprefix(_STATEMENT), value["lineno"]] += 1
        elif key == "PLpgSQL_expr" and value.get("parseMode") == _QUERY_MODE:
            queries[_words(value["query"])] += 1
    return kinds, queries


def _plpgsql(definition: str) -> Any:
    try:
        return postgast.parse_plpgsql(definition)
    except json.JSONDecodeError as e:
        # libpg_query closes one bracket too many for each TG_ variable of a trigger function.
        try:
            return json.loads(_STRAY_BRACKET.sub("{}", e.doc))
        except json.JSONDecodeError:
            raise SqlSyntaxError("the parser's answer cannot be read", None) from None


def _simpler(definition: str, source: str, block: Block) -> str:
    """The same statements under simpler types: the parser knows no catalog, so it refuses VARIADIC and arrays of rows,
    and takes what is a row for a scalar."""
    words = scan(source)
    rows = {one.text.lower() for one, other in pairwise(words) if other.text == "."}
    edits = []
    for declaration in (d for s in statements(block) if isinstance(s, Block) for d in s.declarations):
        simple = _simple_type(source[declaration.type_at : declaration.type_end], declaration.name in rows)
        if simple is not None:
            length = declaration.type_end - declaration.type_at
            edits.append(Edit(at=declaration.type_at, remove=length, text=simple))
    tree = parse(definition.replace(source, edited(source, edits)))
    made = tree.stmts[0].stmt.create_function_stmt
    for parameter in made.parameters:
        node = parameter.function_parameter
        modes = node.DESCRIPTOR.fields_by_name["mode"].enum_type.values_by_name
        if node.mode == modes["FUNC_PARAM_VARIADIC"].number:
            node.mode = modes["FUNC_PARAM_IN"].number
        node.ClearField("defexpr")
        if node.arg_type.array_bounds or node.name in rows:
            _rename(node.arg_type, "int4" if node.arg_type.array_bounds else "record")
        _rename(node.arg_type)
    _rename(made.return_type)
    return str(postgast.deparse(tree))


def _rename(type_name: Any, name: str | None = None) -> None:
    """Takes its schema from a type, or gives it another name."""
    names = [n.string.sval for n in type_name.names]
    if names and (name is not None or names[0] != "pg_catalog"):
        type_name.ClearField("names")
        type_name.names.add().string.sval = name or names[-1]


def _simple_type(text: str, is_row: bool) -> str | None:
    """What to write for a declared type; None: as it is."""
    if text.endswith("]"):
        return "integer[]"
    if text.lower().startswith("alias "):
        return None
    if is_row:
        return "record"
    return "text" if "." in text or "%" in text else None


def _walk(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, dict):
                yield key, value
            yield from _walk(value)
    elif isinstance(node, list):
        for child in node:
            yield from _walk(child)
