"""A relative write made absolute: ``SET x = x + e`` becomes ``SET x = v + e``, where an earlier SELECT put x into v.

The commonest lost update. Only what is recognised without doubt is changed: one table in the SELECT, a plain column,
and a plain variable (or a field of a record) that it goes into.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.sqltext.mutate_types import Change
from harness.sqltext.parse import parse
from harness.sqltext.plsyntax import Block, Part, PartKind, statements
from harness.sqltext.tokens import Edit, Token, depths, scan
from harness.sqltext.variables import SqlSyntaxError

__all__ = ["write_changes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """``columns``: column → the variable that holds it; under "*" a record that has them all."""

    table: str
    columns: dict[str, str]


def write_changes(source: str, block: Block) -> Iterator[Change]:
    """``absolute_write`` for each such assignment in an UPDATE of a PL/pgSQL body."""
    reads: list[_Read] = []
    for statement in statements(block):
        if statement.kind != "execsql":
            continue
        [part] = statement.parts
        which, node = _single(part)
        if which == "select_stmt":
            reads += _read(source, part, node)
        elif which == "update_stmt":
            yield from _absolute(part, node, reads)


def _single(part: Part) -> tuple[str, Any]:
    if part.kind is not PartKind.QUERY:
        return "", None
    try:
        [statement] = parse(part.text).stmts
    except (SqlSyntaxError, ValueError):  # not understood, or not exactly one
        return "", None
    which = str(statement.stmt.WhichOneof("node"))
    return which, getattr(statement.stmt, which)


def _read(source: str, part: Part, node: Any) -> Iterator[_Read]:
    targets = _targets(source, part)
    if not targets or len(node.from_clause) != 1 or node.from_clause[0].WhichOneof("node") != "range_var":
        return
    table = node.from_clause[0].range_var.relname
    columns = [_column(item.res_target.val) for item in node.target_list]
    if len(targets) == len(columns) and (len(columns) > 1 or columns[0] != "*"):
        held = {c: v for c, v in zip(columns, targets, strict=True) if c and c != "*"}
    elif len(targets) == 1:
        held = {c: targets[0] if c == "*" else f"{targets[0]}.{c}" for c in columns if c}
    else:
        return
    yield _Read(table=table, columns=held)


def _column(node: Any) -> str:
    """The name of a plain column, ``*`` for all of them, "" for anything else."""
    if node.WhichOneof("node") != "column_ref":
        return ""
    last = node.column_ref.fields[-1]
    return "*" if last.WhichOneof("node") == "a_star" else str(last.string.sval)


def _targets(source: str, part: Part) -> list[str]:
    """What stands after INTO, which is blank in the part's text."""
    text = source[part.start : part.end]
    blank = [i for i, (a, b) in enumerate(zip(text, part.text, strict=True)) if a != b]
    if not blank:
        return []
    words = [t for t in scan(text[blank[0] : blank[-1] + 1]) if t.word not in ("into", "strict")]
    found = [""]
    for token in words:
        if token.text == ",":
            found.append("")
        else:
            found[-1] += token.text
    return found


def _absolute(part: Part, node: Any, reads: list[_Read]) -> Iterator[Change]:
    for item in node.target_list:
        column = item.res_target.name
        variable = _variable(node.relation.relname, column, reads)
        if variable is None or variable == column:
            continue
        found = _occurrence(part.text, column)
        if found is not None:
            start, end, whole = found
            edit = Edit(at=part.start + start, text=variable, remove=end - start)
            old, sign = part.text[whole:end], part.text[end : end + 2].rstrip()
            new = part.text[whole:start] + variable
            yield Change(
                operator="absolute_write", at=part.start + whole, edits=(edit,),
                before=f"{old}{sign} …", after=f"{new}{sign} …",
            )  # fmt: skip


def _variable(table: str, column: str, reads: list[_Read]) -> str | None:
    """Where the last SELECT from ``table`` put ``column``."""
    for read in reversed(reads):
        if read.table == table:
            if column in read.columns:
                return read.columns[column]
            if "*" in read.columns:
                return f"{read.columns['*']}.{column}"
    return None


def _occurrence(sql: str, column: str) -> tuple[int, int, int] | None:
    """Where ``x`` (with its table's name) stands in ``x = x + …`` or ``x = x - …``, and where that begins."""
    tokens = scan(sql)
    top = [t for t, depth in zip(tokens, depths(tokens), strict=True) if depth == 0]
    for i, token in enumerate(top):
        if not _is(token, column) or i + 3 >= len(top) or top[i + 1].text != "=" or top[i - 1].word == "where":
            continue
        right = top[i + 2 :]
        length = 3 if right[1].text == "." else 1
        if len(right) > length and _is(right[length - 1], column) and right[length].text in ("+", "-"):
            return right[0].start, right[length - 1].end, token.start
    return None


def _is(token: Token, name: str) -> bool:
    return token.text in (name, f'"{name}"') or token.word == name
