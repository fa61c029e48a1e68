"""What a routine does with its parameters and what it compares columns with: hints, from which calls are guessed.

Only names are looked at. A parameter that is copied into a variable first is lost sight of, and a column of the same
name is taken for the parameter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.sqltext.catalog import Routine
from harness.sqltext.nodes import children, enum_name, literal_in, unwrapped
from harness.sqltext.parse import parse
from harness.sqltext.plpgsql import read_body
from harness.sqltext.plsyntax import Block, Part, PartKind, statements
from harness.sqltext.variables import SqlSyntaxError

__all__ = ["Use", "Uses", "uses_of"]

_RECORDS = frozenset({"jsonb_to_recordset", "json_to_recordset", "jsonb_populate_recordset", "json_populate_recordset"})
_ELEMENTS = frozenset({"jsonb_array_elements", "json_array_elements", "jsonb_array_length", "json_array_length"})
_ARROWS = ("->", "->>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A parameter (its position, from 0) meets a column. ``how``: ``compared`` (=, IN, ANY), ``inserted``, ``set`` (an
    UPDATE computes the column from it) or ``passed`` (to ``column``, a function, as its argument number ``to``).
    ``tables``: those that the statement names, without schema."""

    parameter: int
    column: str
    how: str
    tables: frozenset[str] = frozenset()
    to: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """``literals``: a column's or variable's name → the texts that it is compared with, then those that it is set to.
    ``numbers``: whole numbers in the text. ``settings``: names read by current_setting(). ``keys``: of JSON, with the
    type that the value is cast to; ``members``: column or variable → those that it is asked for. ``listed``: a JSON
    parameter is an array of such objects. ``called``: functions that are called, with their schema. ``looked``: tables
    in FROM, or changed or locked by condition; ``inserted``: those that rows are inserted into."""

    uses: tuple[Use, ...] = ()
    literals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: tuple[int, ...] = ()
    settings: tuple[str, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    listed: bool = False
    called: frozenset[str] = frozenset()
    looked: frozenset[str] = frozenset()
    inserted: frozenset[str] = frozenset()


def uses_of(routine: Routine, parameters: Sequence[str]) -> Uses:
    """The uses in ``routine``, whose parameters have these names ("": none). Empty for what cannot be read."""
    walk = _Walk(routine.name, parameters)
    for sql in _queries(routine):
        try:
            tree = parse(sql)
        except SqlSyntaxError:
            continue
        for statement in tree.stmts:
            walk.statement(statement.stmt)
    return walk.found()


def _queries(routine: Routine) -> Iterator[str]:
    if routine.language == "sql":
        yield routine.definition if routine.atomic else routine.source
    if routine.language != "plpgsql":
        return
    try:
        block = read_body(routine.source)
    except SqlSyntaxError:
        return
    for statement in statements(block):
        parts = [*statement.parts, *(p for b in statement.branches for p in b.condition)]
        if isinstance(statement, Block):
            parts += [p for d in statement.declarations for p in d.parts]
        yield from (_sql(p) for p in parts if p.kind is not PartKind.CURSOR)


def _sql(part: Part) -> str:
    return part.text if part.kind is PartKind.QUERY else f"SELECT {part.text}"


class _Walk:
    def __init__(self, name: str, parameters: Sequence[str]) -> None:
        self._name = name
        self._positions = {p: i for i, p in enumerate(parameters) if p}
        self._tables: frozenset[str] = frozenset()
        self._uses: dict[Use, None] = {}
        self._literals: dict[str, dict[str, None]] = {}
        self._given: dict[str, dict[str, None]] = {}
        self._numbers: dict[int, None] = {}
        self._settings: dict[str, None] = {}
        self._keys: dict[str, str] = {}
        self._members: dict[str, dict[str, None]] = {}
        self._listed = False
        self._called: set[str] = set()
        self._looked: set[str] = set()
        self._inserted: set[str] = set()

    def found(self) -> Uses:
        names = dict.fromkeys([*self._literals, *self._given])
        return Uses(
            uses=tuple(self._uses),
            literals={n: tuple({**self._literals.get(n, {}), **self._given.get(n, {})}) for n in names},
            numbers=tuple(self._numbers),
            settings=tuple(self._settings),
            keys=self._keys,
            members={name: tuple(keys) for name, keys in self._members.items()},
            listed=self._listed,
            called=frozenset(self._called),
            looked=frozenset(self._looked),
            inserted=frozenset(self._inserted),
        )

    def statement(self, node: Any) -> None:
        self._tables = frozenset(r.relname for r in _all(node, "RangeVar"))
        self._node(node)

    def _node(self, node: Any) -> None:
        visit = getattr(self, f"_{node.DESCRIPTOR.name}", None)
        if visit is not None:
            visit(node)
        for child in children(node):
            self._node(child)

    # ------------------------------------------------------------------------------------------------- statements

    def _InsertStmt(self, node: Any) -> None:
        self._inserted.add(node.relation.relname)
        columns = [c.res_target.name for c in node.cols]
        select = node.select_stmt.select_stmt if node.HasField("select_stmt") else None
        if select is None:
            return
        rows = [row.list.items for row in select.values_lists] or [[t.res_target.val for t in select.target_list]]
        for row in rows:
            for place, value in enumerate(row):
                column = columns[place] if place < len(columns) else f"#{place}"
                self._set(value, column, "inserted", frozenset({node.relation.relname}))

    def _UpdateStmt(self, node: Any) -> None:
        self._looked.add(node.relation.relname)
        for target in node.target_list:
            self._set(target.res_target.val, target.res_target.name, "set", frozenset({node.relation.relname}))

    def _DeleteStmt(self, node: Any) -> None:
        self._looked.add(node.relation.relname)

    def _SelectStmt(self, node: Any) -> None:
        for item in node.from_clause:
            self._looked |= {r.relname for r in _all(item, "RangeVar")}

    def _set(self, value: Any, column: str, how: str, tables: frozenset[str]) -> None:
        whole = self._parameter(value)
        if whole is not None:
            self._note(Use(parameter=whole, column=column, how=how, tables=tables))
        elif how == "set":
            for inner in (*_all(value, "ColumnRef"), *_all(value, "ParamRef")):
                position = self._parameter(inner)
                if position is not None:
                    self._note(Use(parameter=position, column=column, how=how, tables=tables))
        text = literal_in(value)
        if text is not None and unwrapped(value).a_const.HasField("sval"):
            self._given.setdefault(column, {})[text] = None

    # ------------------------------------------------------------------------------------------------ expressions

    def _A_Expr(self, node: Any) -> None:
        kind = enum_name(node, "kind")
        operator = node.name[-1].string.sval if node.name else ""
        if operator in _ARROWS:
            key = literal_in(node.rexpr)
            if key is not None and not key.isdecimal():
                self._keys.setdefault(key, "text")
                self._members.setdefault(_last_name(node.lexpr) or "", {})[key] = None
            return
        for mine, theirs in ((node.lexpr, node.rexpr), (node.rexpr, node.lexpr)):
            column = _last_name(mine)
            if column is None:
                continue
            for other in theirs.list.items if theirs.WhichOneof("node") == "list" else (theirs,):
                position = self._parameter(other)
                if position is not None and self._parameter(mine) is None and operator == "=":
                    self._note(Use(parameter=position, column=column, how="compared", tables=self._tables))
                text = literal_in(other)
                equal = kind in ("AEXPR_IN", "AEXPR_OP_ANY") or operator in ("=", "<>")
                if text is not None and equal and unwrapped(other).a_const.HasField("sval"):
                    self._literals.setdefault(column, {})[text] = None

    def _CaseExpr(self, node: Any) -> None:
        column = _last_name(node.arg) if node.HasField("arg") else None
        for when in node.args:
            text = literal_in(when.case_when.expr)
            if column is not None and text is not None:
                self._literals.setdefault(column, {})[text] = None

    def _TypeCast(self, node: Any) -> None:
        arrows = [e for e in _all(node.arg, "A_Expr") if e.name and e.name[-1].string.sval in _ARROWS]
        if arrows and (key := literal_in(arrows[0].rexpr)) is not None:
            self._keys[key] = node.type_name.names[-1].string.sval

    def _FuncCall(self, node: Any) -> None:
        name = node.funcname[-1].string.sval
        self._called.add(".".join(part.string.sval for part in node.funcname))
        if name == "current_setting" and node.args and (setting := literal_in(node.args[0])) is not None:
            self._settings[setting] = None
        self._listed |= name in _RECORDS | _ELEMENTS
        for place, argument in enumerate(node.args):
            position = self._parameter(argument)
            if position is not None:
                self._note(Use(parameter=position, column=name, how="passed", to=place))

    def _RangeFunction(self, node: Any) -> None:
        for column in node.coldeflist:
            self._keys[column.column_def.colname] = column.column_def.type_name.names[-1].string.sval

    def _A_Const(self, node: Any) -> None:
        text = literal_in(node)
        if text is not None and text.isdecimal() and not node.HasField("sval"):
            self._numbers[int(text)] = None

    def _parameter(self, node: Any) -> int | None:
        """The position of the parameter that ``node`` is, perhaps cast."""
        if node.DESCRIPTOR.name == "Node":
            node = unwrapped(node)
            which = node.WhichOneof("node")
            node = getattr(node, which) if which else node
        if node.DESCRIPTOR.name == "ParamRef":
            return int(node.number) - 1
        if node.DESCRIPTOR.name != "ColumnRef":
            return None
        names = [f.string.sval for f in node.fields]
        if len(names) == 2 and names[0] == self._name:
            names = names[1:]
        return self._positions.get(names[0]) if len(names) == 1 else None

    def _note(self, use: Use) -> None:
        self._uses[use] = None


def _last_name(node: Any) -> str | None:
    """``status`` of ``j.status``, perhaps in a function like lower(); ``role`` of ``auth.role()``."""
    node = unwrapped(node)
    which = node.WhichOneof("node")
    if which == "func_call" and not node.func_call.args:
        return str(node.func_call.funcname[-1].string.sval)
    if which == "func_call" and len(node.func_call.args) == 1:
        return _last_name(node.func_call.args[0])
    if which == "column_ref" and node.column_ref.fields[-1].WhichOneof("node") == "string":
        return str(node.column_ref.fields[-1].string.sval)
    return None


def _all(node: Any, kind: str) -> Iterator[Any]:
    if node.DESCRIPTOR.name == kind:
        yield node
    for child in children(node):
        yield from _all(child, kind)
