"""Which columns of which tables a statement reads and writes, and by what it picks its rows.

For explanations: what cannot be told is left out or marked as vague, never guessed. Nothing is known here of functions,
triggers and views; `footprints` knows them, without columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from harness.sqltext.access import Access, Equal, Look, Put, Source
from harness.sqltext.nodes import aggregates, alias_of, bare_name, children, conjuncts, enum_name, literal_in, unwrapped
from harness.sqltext.parse import parse
from harness.sqltext.plheads import as_sql
from harness.sqltext.variables import SqlSyntaxError

__all__ = ["access_of"]

Tables = Mapping[str, frozenset[str]]
"""Names of tables, as the caller calls them (``schema.table`` and quotes allowed), with their columns."""


def access_of(text: str, tables: Tables) -> Access:
    """The access of a client's statement, or of one of PL/pgSQL (of ``IF … THEN``, ``FOR r IN SELECT … LOOP`` and the
    like: of its head). Empty for what cannot be read."""
    sql, into, cursor = as_sql(text)
    try:
        tree = parse(sql) if sql else None
    except SqlSyntaxError:
        tree = None
    if tree is None:
        return Access(into=into, cursor=cursor)
    walk = _Walk(tables)
    for statement in tree.stmts:
        walk.statement(statement.stmt, None)
    return Access(
        looks=tuple(walk.looks), puts=tuple(walk.puts), constants=frozenset(walk.constants), into=into, cursor=cursor
    )


class _Scope:
    """The names of one FROM list: alias → table (None: not a table that we know). ``log``: (alias, column) as met."""

    def __init__(self, parent: _Scope | None, ctes: frozenset[str] = frozenset()) -> None:
        self.parent = parent
        self.ctes: frozenset[str] = ctes | (parent.ctes if parent else frozenset())
        self.tables: dict[str, str | None] = {}
        self.log: list[tuple[str, str]] = []
        self.conditions: list[Any] = []


class _Walk:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._by_name = {bare_name(name): name for name in tables}
        self.looks: list[Look] = []
        self.puts: list[Put] = []
        self.constants: set[str] = set()

    def statement(self, node: Any, scope: _Scope | None) -> None:
        """Any statement that may stand at the top or in a WITH clause; of others, what stands inside."""
        which = node.WhichOneof("node") if node.DESCRIPTOR.name == "Node" else None
        self._expression(getattr(node, which) if which else node, scope)

    # ---------------------------------------------------------------------------------------------- statements

    def _select(self, node: Any, parent: _Scope | None, variables: set[str] | None = None) -> None:
        scope = _Scope(parent, self._with(node, parent))
        if node.HasField("larg"):
            self._select(node.larg, scope)
            self._select(node.rarg, scope)
            return
        self._from(node.from_clause, scope)
        for part in (*node.target_list, *node.group_clause, *node.values_lists):
            self._expression(part, scope, variables)
        for name in ("having_clause", "limit_count", "limit_offset"):
            if node.HasField(name):
                self._expression(getattr(node, name), scope)
        if node.HasField("where_clause"):
            scope.conditions.extend(conjuncts(node.where_clause))
        locked, skips = _locking(node, scope)
        looks = self._looks(scope, fresh=locked)
        order = tuple(self._order(part, scope) for part in node.sort_clause)
        if node.HasField("limit_count") or node.HasField("limit_offset"):
            looks = [self._limited(look, node, order) for look in looks]
        lockable = not locked and not node.group_clause and not node.distinct_clause and not aggregates(node)
        self.looks += [replace(look, skips=skips, lockable=lockable) for look in looks]

    def _insert(self, node: Any, parent: _Scope | None, _: set[str] | None = None) -> None:
        scope = _Scope(parent, self._with(node, parent))
        table = self._known(node.relation, scope)
        inserted = set[str]()
        if node.HasField("select_stmt"):
            self._expression(node.select_stmt, scope, inserted)
        if table is not None:
            self.puts.append(Put(table=table, event="insert", names={"": frozenset(inserted)}))
        if node.HasField("on_conflict_clause"):
            clause = node.on_conflict_clause
            target = _Scope(scope)
            target.tables = {alias_of(node.relation): table, "excluded": None}
            if table is not None and clause.target_list:
                put = self._update_put(table, clause.target_list, target, alias_of(node.relation))
                # What was to be inserted is computed from these.
                names = {
                    c: n | inserted if any(v.startswith("excluded.") for v in n) else n for c, n in put.names.items()
                }
                self.puts.append(replace(put, names=names))

    def _update(self, node: Any, parent: _Scope | None, _: set[str] | None = None) -> None:
        scope, table, alias = self._target(node, parent)
        self._from(node.from_clause, scope)
        if table is not None:
            self.puts.append(self._update_put(table, node.target_list, scope, alias))
        if node.HasField("where_clause"):
            scope.conditions.extend(conjuncts(node.where_clause))
        self.looks += self._looks(scope, fresh={alias})

    def _delete(self, node: Any, parent: _Scope | None, _: set[str] | None = None) -> None:
        scope, table, alias = self._target(node, parent)
        self._from(node.using_clause, scope)
        if table is not None:
            self.puts.append(Put(table=table, event="delete"))
        if node.HasField("where_clause"):
            scope.conditions.extend(conjuncts(node.where_clause))
        self.looks += self._looks(scope, fresh={alias})

    def _merge(self, node: Any, parent: _Scope | None, _: set[str] | None = None) -> None:
        scope, table, alias = self._target(node, parent)
        self._from([node.source_relation], scope)
        scope.conditions.extend(conjuncts(node.join_condition))
        for clause in node.merge_when_clauses:
            when = clause.merge_when_clause
            event = enum_name(when, "command_type")
            if table is not None and event == "CMD_UPDATE":
                self.puts.append(self._update_put(table, when.target_list, scope, alias))
            elif table is not None and event in ("CMD_INSERT", "CMD_DELETE"):
                self.puts.append(Put(table=table, event=event.removeprefix("CMD_").lower()))
        self.looks += self._looks(scope, fresh={alias})

    _STATEMENTS: ClassVar[Mapping[str, Any]] = {
        "SelectStmt": _select,
        "InsertStmt": _insert,
        "UpdateStmt": _update,
        "DeleteStmt": _delete,
        "MergeStmt": _merge,
    }

    def _target(self, node: Any, parent: _Scope | None) -> tuple[_Scope, str | None, str]:
        """The scope of a statement that changes a table; that table, and what it is called there."""
        scope = _Scope(parent, self._with(node, parent))
        table, alias = self._known(node.relation, scope), alias_of(node.relation)
        scope.tables[alias] = table
        return scope, table, alias

    def _with(self, node: Any, parent: _Scope | None) -> frozenset[str]:
        """The names of the WITH queries, which are looked into."""
        if not node.HasField("with_clause"):
            return frozenset()
        names: frozenset[str] = frozenset()
        for cte in node.with_clause.ctes:
            query = cte.common_table_expr
            recursive = frozenset({query.ctename}) if node.with_clause.recursive else frozenset()
            self.statement(query.ctequery, _Scope(parent, names | recursive))
            names |= {query.ctename}
        return names

    def _update_put(self, table: str, targets: Iterable[Any], scope: _Scope, alias: str) -> Put:
        columns: dict[str, Source] = {}
        names: dict[str, frozenset[str]] = {}
        values: dict[str, str] = {}
        for target in targets:
            column, value = target.res_target.name, target.res_target.val
            if value.WhichOneof("node") == "multi_assign_ref":
                value = value.multi_assign_ref.source
            before, variables = len(scope.log), set[str]()
            self._expression(value, scope, variables)
            own = (alias, column) in scope.log[before:]
            names[column] = frozenset(variables)
            if (constant := literal_in(value)) is not None:
                values[column] = constant
            columns[column] = Source.OWN if own else Source.CONSTANT if column in values else Source.OTHER
        return Put(table=table, event="update", columns=columns, names=names, values=values)

    # --------------------------------------------------------------------------------------------------- looks

    def _from(self, items: Iterable[Any], scope: _Scope) -> None:
        for item in items:
            which = item.WhichOneof("node")
            node = getattr(item, which)
            if which == "range_var":
                scope.tables[alias_of(node)] = self._known(node, scope)
            elif which == "join_expr":
                self._from([node.larg, node.rarg], scope)
                if node.HasField("quals"):
                    scope.conditions.extend(conjuncts(node.quals))
            elif which == "range_subselect":
                self._expression(node.subquery, scope)
                scope.tables[node.alias.aliasname] = None
            else:
                self._expression(item, scope)

    def _known(self, relation: Any, scope: _Scope) -> str | None:
        if not relation.schemaname and relation.relname in scope.ctes:
            return None
        return self._by_name.get(relation.relname)

    def _looks(self, scope: _Scope, *, fresh: set[str]) -> list[Look]:
        equal: dict[str, list[Equal]] = {}
        vague: dict[str, list[frozenset[str]]] = {}
        for condition in scope.conditions:
            before = len(scope.log)
            self._expression(condition, scope)
            met = scope.log[before:]
            found = list(self._equalities(condition, scope))
            for alias, what in found:
                equal.setdefault(alias, []).append(what)
            for alias in {alias for alias, _ in met} - {alias for alias, _ in found}:
                vague.setdefault(alias, []).append(frozenset(c for a, c in met if a == alias))
        return [
            Look(
                table=table,
                columns=frozenset(c for a, c in scope.log if a == alias),
                equal=tuple(equal.get(alias, ())),
                vague=tuple(vague.get(alias, ())),
                fresh=alias in fresh,
            )
            for alias, table in scope.tables.items()
            if table is not None
        ]

    def _equalities(self, condition: Any, scope: _Scope) -> Iterator[tuple[str, Equal]]:
        if condition.WhichOneof("node") != "a_expr":
            return
        node = condition.a_expr
        if not node.name or node.name[-1].string.sval != "=" or enum_name(node, "kind") != "AEXPR_OP":
            return
        for mine, theirs in ((node.lexpr, node.rexpr), (node.rexpr, node.lexpr)):
            found = self._column(mine, scope)
            if found is None:
                continue
            alias, column, key = found
            constant = literal_in(theirs)
            if constant is not None:
                yield alias, Equal(column=column, key=key, value=constant)
            elif unwrapped(theirs).WhichOneof("node") in ("column_ref", "param_ref"):
                yield alias, Equal(column=column, key=key)

    def _column(self, node: Any, scope: _Scope) -> tuple[str, str, str] | None:
        """Alias, column and JSON key of ``column`` or ``column ->> 'key'`` of this very FROM list."""
        node, key = unwrapped(node), ""
        if node.WhichOneof("node") == "a_expr" and node.a_expr.name and node.a_expr.name[-1].string.sval == "->>":
            key = literal_in(node.a_expr.rexpr) or ""
            if not key:
                return None
            node = unwrapped(node.a_expr.lexpr)
        if node.WhichOneof("node") != "column_ref":
            return None
        found = [(s, a, c) for s, a, c in self._resolved(node.column_ref, scope) if s is scope]
        return (found[0][1], found[0][2], key) if len(found) == 1 else None

    def _order(self, part: Any, scope: _Scope) -> tuple[str, bool] | None:
        self._expression(part.sort_by.node, scope)
        found = self._column(part.sort_by.node, scope)
        return None if found is None else (found[1], enum_name(part.sort_by, "sortby_dir") == "SORTBY_DESC")

    def _limited(self, look: Look, node: Any, order: tuple[tuple[str, bool] | None, ...]) -> Look:
        count = literal_in(node.limit_count) if node.HasField("limit_count") else None
        known = [part for part in order if part is not None]
        plain = len(known) == len(order) and len(node.from_clause) == 1 and not node.HasField("limit_offset")
        if not known or not plain or count is None or not count.isdecimal():
            return replace(look, bounded=True)
        return replace(look, first=int(count), order=tuple(known))

    # --------------------------------------------------------------------------------------------- expressions

    def _expression(self, node: Any, scope: _Scope | None, variables: set[str] | None = None) -> None:
        name = node.DESCRIPTOR.name
        if name == "Node":
            which = node.WhichOneof("node")
            if which is not None:
                self._expression(getattr(node, which), scope, variables)
            return
        visit = self._STATEMENTS.get(name)
        if visit is not None:
            visit(self, node, scope, variables)
            return
        if name == "A_Const":
            constant = literal_in(node)
            self.constants |= {constant} if constant is not None else set()
            return
        if name == "ColumnRef":
            found = self._resolved(node, scope)
            for where, alias, column in found:
                where.log.append((alias, column))
            if not found and variables is not None and node.fields:
                variables.add(".".join(f.string.sval for f in node.fields))
            return
        for child in children(node):
            self._expression(child, scope, variables)

    def _resolved(self, node: Any, scope: _Scope | None) -> list[tuple[_Scope, str, str]]:
        """The columns that a name stands for; none for a variable."""
        names = [f.string.sval for f in node.fields if f.WhichOneof("node") == "string"]
        star = any(f.WhichOneof("node") == "a_star" for f in node.fields)
        while scope is not None:
            known = {alias: table for alias, table in scope.tables.items() if table is not None}
            qualifier = names[-1] if star and names else names[-2] if len(names) > 1 else None
            if qualifier is not None:
                known = {alias: table for alias, table in known.items() if alias == qualifier}
            if star:
                found = [(scope, a, c) for a, t in known.items() for c in sorted(self._tables[t])]
            else:
                found = [(scope, a, names[-1]) for a, t in known.items() if names and names[-1] in self._tables[t]]
            if found or (qualifier is not None and qualifier in scope.tables):
                return found
            scope = scope.parent
        return []


def _locking(node: Any, scope: _Scope) -> tuple[set[str], bool]:
    """Aliases whose rows are locked so that nobody may change them, and whether those of others are passed over."""
    locked: set[str] = set()
    skips = False
    for item in node.locking_clause:
        clause = item.locking_clause
        if enum_name(clause, "strength") == "LCS_FORKEYSHARE":
            continue
        wanted = {r.range_var.relname for r in clause.locked_rels}
        locked |= {alias for alias in scope.tables if not wanted or alias in wanted}
        skips |= enum_name(clause, "wait_policy") == "LockWaitSkip"
    return locked, skips
