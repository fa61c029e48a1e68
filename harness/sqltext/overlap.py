"""The point inside one statement, between its snapshot and its scan.

``(SELECT harness.gate(n))`` as a condition of the outermost WHERE has no variables, so the planner makes it an InitPlan
and tests its value once, on top of the join tree: after the snapshot was taken, before the first row is looked for.
The text is edited where tokens say, and the parser must then read the old statement with just that condition added.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from harness.sqltext.parse import parse
from harness.sqltext.tokens import Edit, Token, depths, edited, scan
from harness.sqltext.variables import SqlSyntaxError

__all__ = ["overlap_edits"]

_AFTER_WHERE = frozenset(
    {"group", "having", "window", "order", "limit", "offset", "fetch", "for", "union", "intersect", "except"}
)
_LOCATIONS = frozenset({"location", "stmt_location", "stmt_len", "list_start", "list_end"})


def overlap_edits(sql: str, number: int) -> tuple[Edit, ...]:
    """Edits that put gate ``number`` into the single statement ``sql``; none when it has no such point: only UPDATE,
    DELETE, SELECT … FOR UPDATE (and the like) and INSERT … SELECT do, and not WHERE CURRENT OF or set operations."""
    try:
        [statement] = parse(sql).stmts
        which = statement.stmt.WhichOneof("node")
        if not _suits(which, getattr(statement.stmt, which)):
            return ()
        edits = _edits(sql, which, f"(SELECT harness.gate({number}))")
        if edits and _only_added(sql, edited(sql, edits), which, number):
            return edits
    except (SqlSyntaxError, ValueError):  # not exactly one statement, or one that cannot be read back
        return ()
    return ()


def _suits(which: str, node: Any) -> bool:
    if which in ("update_stmt", "delete_stmt"):
        return str(node.where_clause.WhichOneof("node")) != "current_of_expr"
    if which == "select_stmt":
        return _plain_select(node) and len(node.locking_clause) > 0
    return which == "insert_stmt" and bool(node.HasField("select_stmt") and _plain_select(node.select_stmt.select_stmt))


def _plain_select(node: Any) -> bool:
    """Neither a set operation nor VALUES."""
    kinds = node.DESCRIPTOR.fields_by_name["op"].enum_type.values_by_name
    return bool(node.op == kinds["SETOP_NONE"].number and not node.values_lists)


def _edits(sql: str, which: str, gate: str) -> tuple[Edit, ...]:
    tokens = scan(sql)
    top = [t for t, depth in zip(tokens, depths(tokens), strict=True) if depth == 0]
    if which in ("select_stmt", "insert_stmt"):
        top = _from_last_select(top)
        ends = _AFTER_WHERE
    else:
        ends = frozenset({"returning"})
    where = end = None
    for before, token in pairwise(top):
        if before.text == "." or before.word == "as":
            continue  # a name
        if token.word == "where" and where is None and end is None:
            where = token
        if token.word in ends or token.text == ";" or (token.word in ("on", "returning") and _ends_insert(top, token)):
            end = end or token
    last = tokens[-1].end if end is None else _token_before(tokens, end).end
    if where is None:
        return (Edit(at=last, text=f" WHERE {gate}"),) if top else ()
    # First, for conditions without variables (NOT EXISTS …) are tested once, too, and in their order.
    return Edit(at=where.end, text=f" {gate} AND ("), Edit(at=last, text=")")


def _from_last_select(top: list[Token]) -> list[Token]:
    """The part of a statement from its outermost SELECT on (before it may stand WITH and INSERT INTO)."""
    for i, token in enumerate(top):
        if token.word == "select" and (i == 0 or (top[i - 1].text != "." and top[i - 1].word != "as")):
            return top[i:]
    return []


def _ends_insert(top: list[Token], token: Token) -> bool:
    """RETURNING, or ON of ON CONFLICT."""
    following = top[top.index(token) + 1 :]
    return token.word == "returning" or (bool(following) and following[0].word == "conflict")


def _token_before(tokens: tuple[Token, ...], token: Token) -> Token:
    return tokens[tokens.index(token) - 1]


def _only_added(old: str, new: str, which: str, number: int) -> bool:
    """Whether ``new`` reads as ``old`` with the gate as one more condition."""
    before, after = _conditioned(old, which), _conditioned(new, which)
    if which == "insert_stmt" and _around(old) != _around(new):
        return False
    wanted = parse(f"SELECT 1 WHERE (SELECT harness.gate({number}))").stmts[0].stmt.select_stmt.where_clause
    if not before.HasField("where_clause"):
        condition = _bare(after.where_clause)
        after.ClearField("where_clause")
    else:
        if len(after.where_clause.bool_expr.args) != 2:
            return False
        first, rest = (_bare(node) for node in after.where_clause.bool_expr.args)
        condition = first
        after.where_clause.CopyFrom(rest)
    if condition != _bare(wanted):
        return False
    return bool(_bare(before) == _bare(after))


def _conditioned(sql: str, which: str) -> Any:
    """The node whose WHERE gets the condition."""
    [statement] = parse(sql).stmts
    node = getattr(statement.stmt, which)
    return node.select_stmt.select_stmt if which == "insert_stmt" else node


def _around(sql: str) -> Any:
    """An INSERT without its SELECT."""
    [statement] = parse(sql).stmts
    statement.stmt.insert_stmt.ClearField("select_stmt")
    return _bare(statement.stmt.insert_stmt)


def _bare(node: Any) -> Any:
    """A copy without places in the text."""
    copy = type(node)()
    copy.CopyFrom(node)
    _forget_places(copy)
    return copy


def _forget_places(node: Any) -> None:
    for descriptor, value in node.ListFields():
        if descriptor.name in _LOCATIONS:
            node.ClearField(descriptor.name)
        elif descriptor.message_type is None:
            continue
        elif hasattr(value, "DESCRIPTOR"):
            _forget_places(value)
        else:
            for child in value:
                _forget_places(child)
