"""From a text to its touch, by a walk through the parse tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from harness.sqltext.builtin import LARGE_OBJECTS, NOTHING_TOUCHED, runs_text, watches_the_server
from harness.sqltext.nodes import children, unwrapped
from harness.sqltext.parse import parse
from harness.sqltext.touch import EVERYTHING, Name, Touch, Write
from harness.sqltext.variables import SqlSyntaxError

__all__ = ["touch_of"]


@lru_cache(maxsize=4096)
def touch_of(sql: str) -> Touch:
    """The touch of all statements in ``sql``; `EVERYTHING` for what does not parse."""
    try:
        tree = parse(sql)
    except SqlSyntaxError:
        return EVERYTHING
    walk = _Walk()
    for statement in tree.stmts:
        walk.node(statement.stmt, frozenset())
    return walk.touch()


@dataclass(slots=True)
class _Walk:
    reads: set[str] = field(default_factory=set)
    writes: set[Write] = field(default_factory=set)
    excludes: set[str] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)
    calls: set[Name] = field(default_factory=set)
    operators: set[str] = field(default_factory=set)
    everything: bool = False
    targets: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def touch(self) -> Touch:
        return Touch(
            reads=frozenset(self.reads),
            writes=frozenset(self.writes),
            excludes=frozenset(self.excludes),
            shared=frozenset(self.shared),
            calls=frozenset(self.calls),
            operators=frozenset(self.operators),
            everything=self.everything,
            order=tuple(dict.fromkeys([*self.targets, *self.others])),
        )

    def node(self, node: Any, scope: frozenset[str]) -> None:
        """``scope``: names that stand for WITH queries here."""
        name = node.DESCRIPTOR.name
        if name == "Node":
            which = node.WhichOneof("node")
            if which is not None:
                self.node(getattr(node, which), scope)
            return
        visit = getattr(self, f"_{name}", None)
        if visit is not None:
            visit(node, scope)
        elif name.endswith("Stmt"):
            self.everything = True
        else:
            self.children(node, scope)

    def children(self, node: Any, scope: frozenset[str], *, without: tuple[str, ...] = ()) -> None:
        if getattr(node, "with_clause", None) is not None and node.HasField("with_clause"):
            scope = self.with_clause(node.with_clause, scope)
            without = (*without, "with_clause")
        for child in children(node, without):
            self.node(child, scope)

    def with_clause(self, clause: Any, scope: frozenset[str]) -> frozenset[str]:
        names = [c.common_table_expr.ctename for c in clause.ctes]
        for cte in clause.ctes:
            # Without RECURSIVE a WITH query sees only those before it.
            self.node(cte.common_table_expr.ctequery, scope | frozenset(names) if clause.recursive else scope)
            scope |= {cte.common_table_expr.ctename}
        return scope

    def read(self, relation: Any, scope: frozenset[str]) -> None:
        if relation.schemaname or relation.relname not in scope:
            self.reads.add(relation.relname)
            self.others.append(relation.relname)

    def write(self, relation: Any, event: str, columns: frozenset[str] | None = None) -> None:
        self.writes.add(Write(relation=relation.relname, event=event, columns=columns))
        self.targets.append(relation.relname)

    # ---------------------------------------------------------------------------------------------- statements

    def _RangeVar(self, node: Any, scope: frozenset[str]) -> None:
        self.read(node, scope)

    def _SelectStmt(self, node: Any, scope: frozenset[str]) -> None:
        if node.HasField("into_clause") and node.into_clause.rel.relpersistence != "t":
            self.everything = True
        self.children(node, scope, without=("locking_clause", "into_clause"))
        if node.HasField("with_clause"):
            scope |= {c.common_table_expr.ctename for c in node.with_clause.ctes}
        for clause in node.locking_clause:
            wanted = {r.range_var.relname for r in clause.locking_clause.locked_rels}
            for alias, relations in _from_items(node.from_clause, scope):
                if not wanted or alias in wanted:
                    for relation in relations:
                        self.writes.add(Write(relation=relation, event="lock"))
                        self.targets.append(relation)

    def _InsertStmt(self, node: Any, scope: frozenset[str]) -> None:
        self.write(node.relation, "insert")
        if node.HasField("on_conflict_clause") and node.on_conflict_clause.target_list:
            columns = frozenset(t.res_target.name for t in node.on_conflict_clause.target_list)
            self.write(node.relation, "update", columns)
        if node.HasField("on_conflict_clause"):
            self.reads.add(node.relation.relname)
        self.children(node, scope, without=("relation",))

    def _UpdateStmt(self, node: Any, scope: frozenset[str]) -> None:
        self.write(node.relation, "update", frozenset(t.res_target.name for t in node.target_list))
        self.reads.add(node.relation.relname)
        self.children(node, scope, without=("relation",))

    def _DeleteStmt(self, node: Any, scope: frozenset[str]) -> None:
        self.write(node.relation, "delete")
        self.reads.add(node.relation.relname)
        self.children(node, scope, without=("relation",))

    def _MergeStmt(self, node: Any, scope: frozenset[str]) -> None:
        for event in ("insert", "update", "delete"):
            self.write(node.relation, event)
        self.reads.add(node.relation.relname)
        self.children(node, scope, without=("relation",))

    def _LockStmt(self, node: Any, scope: frozenset[str]) -> None:  # noqa: ARG002
        for relation in node.relations:
            self.excludes.add(relation.range_var.relname)
            self.targets.append(relation.range_var.relname)

    def _TruncateStmt(self, node: Any, scope: frozenset[str]) -> None:  # noqa: ARG002
        for relation in node.relations:
            self.excludes.add(relation.range_var.relname)
            self.write(relation.range_var, "truncate")

    def _AlterTableStmt(self, node: Any, scope: frozenset[str]) -> None:
        self._ddl_on(node.relation, node, scope)

    def _IndexStmt(self, node: Any, scope: frozenset[str]) -> None:
        self._ddl_on(node.relation, node, scope)

    def _ddl_on(self, relation: Any, node: Any, scope: frozenset[str]) -> None:
        # Its catalog entries are read by whatever plans next, so it counts as everything, too.
        self.excludes.add(relation.relname)
        self.targets.append(relation.relname)
        self.everything = True
        self.children(node, scope, without=("relation",))

    def _CreateStmt(self, node: Any, scope: frozenset[str]) -> None:  # noqa: ARG002
        self.everything |= node.relation.relpersistence != "t"

    def _CreateTableAsStmt(self, node: Any, scope: frozenset[str]) -> None:
        self.everything |= node.into.rel.relpersistence != "t"
        self.node(node.query, scope)

    def _CopyStmt(self, node: Any, scope: frozenset[str]) -> None:
        if node.is_from:
            self.write(node.relation, "insert")
            self.children(node, scope, without=("relation",))
        else:
            self.children(node, scope)

    def _CreateFunctionStmt(self, node: Any, scope: frozenset[str]) -> None:
        """Its body, for the sake of BEGIN ATOMIC."""
        self.node(node.sql_body, scope)

    def _looked_into(self, node: Any, scope: frozenset[str]) -> None:
        self.children(node, scope)

    _CallStmt = _DeclareCursorStmt = _ExplainStmt = _PLAssignStmt = _ReturnStmt = _looked_into

    def _nothing(self, node: Any, scope: frozenset[str]) -> None:
        """Touches nothing that others can see."""

    _TransactionStmt = _VariableSetStmt = _VariableShowStmt = _NotifyStmt = _ListenStmt = _UnlistenStmt = _nothing
    _ClosePortalStmt = _DeallocateStmt = _ConstraintsSetStmt = _PrepareStmt = _DiscardStmt = _nothing

    # --------------------------------------------------------------------------------------------- expressions

    def _FuncCall(self, node: Any, scope: frozenset[str]) -> None:
        names = [part.string.sval for part in node.funcname]
        schema, name = names[-2] if len(names) > 1 else "", names[-1]
        if name in ("nextval", "setval"):
            sequence = _sequence(node.args)
            if sequence is None:
                self.everything = True
            else:
                self.shared.add(f"sequence {sequence}")
        elif "advisory" in name:
            self.shared.add("advisory")
        elif name in LARGE_OBJECTS:
            self.shared.add("large objects")
        elif runs_text(name) or watches_the_server(name):
            self.everything = True
        if (schema, name) not in NOTHING_TOUCHED:
            self.calls.add((schema, name))
        self.children(node, scope, without=("funcname",))

    def _A_Expr(self, node: Any, scope: frozenset[str]) -> None:
        if node.name:
            self.operators.add(node.name[-1].string.sval)
        self.children(node, scope, without=("name",))


def _from_items(items: Any, scope: frozenset[str]) -> Iterator[tuple[str, list[str]]]:
    """For each item of a FROM list: its alias and the relations whose rows a lock on it would lock."""
    for item in items:
        which = item.WhichOneof("node")
        node = getattr(item, which)
        if which == "join_expr":
            yield from _from_items([node.larg, node.rarg], scope)
        elif which == "range_var":
            if node.schemaname or node.relname not in scope:
                yield node.alias.aliasname or node.relname, [node.relname]
        elif which == "range_subselect":
            inner = node.subquery.select_stmt
            yield node.alias.aliasname, [r for _, rs in _from_items(inner.from_clause, scope) for r in rs]


def _sequence(args: Any) -> str | None:
    """The sequence that is the first argument, without schema; None when it is not a constant."""
    if not args:
        return None
    node = unwrapped(args[0])
    if node.WhichOneof("node") != "a_const" or not node.a_const.HasField("sval"):
        return None
    return str(node.a_const.sval.sval).rsplit(".", 1)[-1].strip('"')
