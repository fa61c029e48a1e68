"""What the text of a routine, or a part of it, names."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from harness.sqltext.builtin import HARMLESS_EXTENSIONS
from harness.sqltext.catalog import Routine
from harness.sqltext.parse import parse
from harness.sqltext.plpgsql import read_body
from harness.sqltext.plsyntax import Block, Part, PartKind, Stmt, statements
from harness.sqltext.touch import EVERYTHING, Touch
from harness.sqltext.variables import SqlSyntaxError
from harness.sqltext.walk import touch_of

__all__ = ["cursor_queries", "declared_queries", "touch_of_part", "touch_of_routine"]


@lru_cache(maxsize=4096)
def touch_of_routine(routine: Routine) -> Touch:
    """What a routine's own text names."""
    if routine.kind == "a":
        return Touch(calls=frozenset(("", name) for name in routine.runs))
    if routine.language == "sql":
        return touch_of(routine.definition if routine.atomic else routine.source)
    if routine.language == "plpgsql":
        try:
            block = read_body(routine.source)
        except SqlSyntaxError:
            return EVERYTHING
        return _touch_of_block(block)
    if routine.extension and (routine.extension in HARMLESS_EXTENSIONS or routine.volatility == "i"):
        return Touch()
    return EVERYTHING


def _touch_of_block(block: Block) -> Touch:
    cursors = cursor_queries(block)
    found = Touch()
    for statement in statements(block):
        for part in _all_parts(statement):
            found |= touch_of_part(part, cursors)
    return found


def _all_parts(statement: Stmt) -> Iterable[Part]:
    yield from statement.parts
    for branch in statement.branches:
        yield from branch.condition
    if isinstance(statement, Block):
        for declaration in statement.declarations:
            yield from declaration.parts


def cursor_queries(block: Block) -> dict[str, Touch]:
    """Cursor → what its queries name; under "" all of them together, for cursors that are known by other names."""
    found: dict[str, Touch] = {}
    for statement in statements(block):
        if isinstance(statement, Block):
            for declaration in statement.declarations:
                if declaration.cursor:
                    for part in declaration.parts:
                        found[declaration.name] = found.get(declaration.name, Touch()) | touch_of_part(part, {})
        elif statement.kind == "open" and statement.parts and statement.parts[0].kind is not PartKind.CURSOR:
            for part in statement.parts:
                found[""] = found.get("", Touch()) | touch_of_part(part, {})
    return found


def declared_queries(block: Block) -> dict[str, str]:
    """Cursor → the query that its declaration binds it to; without those of a name that is declared twice."""
    found: dict[str, list[str]] = {}
    for statement in statements(block):
        if isinstance(statement, Block):
            for declaration in statement.declarations:
                if declaration.cursor and declaration.parts:
                    found.setdefault(declaration.name, []).append(declaration.parts[0].text)
    return {name: queries[0] for name, queries in found.items() if len(queries) == 1}


def touch_of_part(part: Part, cursors: dict[str, Touch]) -> Touch:
    """What a piece of SQL inside PL/pgSQL names."""
    if part.kind is PartKind.QUERY:
        return touch_of(part.text)
    if part.kind is PartKind.CURSOR:
        return cursors.get(part.text) or cursors.get("") or EVERYTHING
    expression = touch_of(f"SELECT {part.text}")
    if part.kind is PartKind.EXPRESSION:
        return expression
    text = _constant(part.text)
    return expression | EVERYTHING if text is None else touch_of(text)


def _constant(expression: str) -> str | None:
    """The string that ``expression`` is, when it is nothing but a string."""
    try:
        [statement] = parse(f"SELECT {expression}").stmts
        [column] = statement.stmt.select_stmt.target_list
    except (SqlSyntaxError, ValueError):
        return None
    value = column.res_target.val.a_const
    return str(value.sval.sval) if value.HasField("sval") else None
