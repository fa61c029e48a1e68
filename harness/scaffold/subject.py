"""The functions that a person would worry about, and what their texts tell about calling them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.model import Footprint
from harness.scaffold.schema import Column, Function, Parameter, Schema, Table
from harness.sqltext.catalog import Catalog, Routine
from harness.sqltext.footprints import reached, resolve
from harness.sqltext.routines import touch_of_routine
from harness.sqltext.touch import Touch, Write
from harness.sqltext.uses import Use, Uses, uses_of

_HARNESS = frozenset({"auth", "storage", "extensions", "harness"})
"""Schemas of others' functions."""
_DEPTH = 3
"""Of calls through which a parameter is followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What workers do at the same time: call a function or (``inserts`` into a table whose triggers do something)
    insert rows. ``tables``: all that may be touched; ``looked``: those that are asked or changed by condition;
    ``written``. ``uses``: parameter → columns that it meets, the likeliest first. ``texts``: of all that runs.
    ``path``: the search_path that it needs, where it does not set one itself. ``commits``: it ends transactions, so
    that it cannot be called in one."""

    name: str
    title: str
    function: Function | None
    inserts: Table | None
    parameters: tuple[Parameter, ...]
    tables: tuple[Table, ...]
    looked: tuple[Table, ...]
    written: frozenset[str]
    uses: Mapping[int, tuple[tuple[Table, Column, str], ...]]
    texts: tuple[Uses, ...]
    everything: bool
    path: str = ""
    commits: bool = False

    @property
    def asks_who(self) -> bool:
        """Whether it asks an API's server for the user."""
        return any({"auth.uid", "auth.jwt", "auth.role", "auth.email"} & u.called for u in self.texts)

    @property
    def inserted(self) -> frozenset[str]:
        """Tables, without schema, that it inserts rows into."""
        return frozenset(name for u in self.texts for name in u.inserted)

    @property
    def sleeps(self) -> bool:
        return any({"pg_sleep", "pg_catalog.pg_sleep"} & u.called for u in self.texts)

    @property
    def settings(self) -> tuple[str, ...]:
        """Other settings that it reads."""
        found = dict.fromkeys(s for u in self.texts for s in u.settings)
        return tuple(s for s in found if "." in s and not s.startswith("request."))

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(n for u in self.texts for n in u.numbers if 1 < n <= 10**9))

    @property
    def members(self) -> Mapping[str, tuple[str, ...]]:
        """Column → the keys that its JSON is asked for."""
        names = dict.fromkeys(n for u in self.texts for n in u.members if n)
        return {n: tuple(dict.fromkeys(k for u in self.texts for k in u.members.get(n, ()))) for n in names}

    def literals(self, name: str) -> tuple[str, ...]:
        """What a column of this name, or a variable that is named after it, is compared with."""
        plain = name.lower()
        found = [
            texts
            for u in self.texts
            for other, texts in u.literals.items()
            if other.lower() == plain or other.lower().endswith("_" + plain)
        ]
        return tuple(dict.fromkeys(t for texts in found for t in texts))


def subjects(schema: Schema, catalog: Catalog) -> tuple[list[Subject], list[tuple[str, str]]]:
    """Those that write, functions first; and (function, why nobody need worry) of the others."""
    found: list[Subject] = []
    passed: list[tuple[str, str]] = []
    covered: set[str] = set()
    for routine in catalog.routines:
        function = schema.functions.get(routine.identity)
        if function is None or routine.trigger or routine.schema in _HARNESS or routine.extension:
            continue
        if routine.kind not in ("f", "p"):
            continue
        subject = _subject(function, routine, schema, catalog)
        if routine.volatility != "v":
            passed.append((subject.title, "STABLE or IMMUTABLE: it changes nothing"))
        elif not subject.written and not subject.everything:
            passed.append((subject.title, "it writes no table"))
        else:
            found.append(subject)
            covered |= subject.written
    for table in schema.tables.values():
        if table.schema not in _HARNESS and table.name not in covered and _triggered(table, catalog):
            found.append(_inserting(table, schema, catalog))
    return found, passed


def _triggered(table: Table, catalog: Catalog) -> bool:
    """Whether an INSERT there runs something that touches tables."""
    relation = catalog.relations.get(catalog.root(table.name))
    for trigger in relation.triggers if relation is not None else ():
        if "insert" in trigger.events:
            footprint = resolve(Touch(calls=frozenset({("", trigger.function)})), catalog, lambda _: True)
            if footprint.writes - {table.name}:
                return True
    return False


def _subject(function: Function, routine: Routine, schema: Schema, catalog: Catalog) -> Subject:
    touch = touch_of_routine(routine)
    texts = _texts(routine, touch, schema, catalog)
    footprint = resolve(touch, catalog, lambda _: True)
    uses = {i: tuple(_columns(i, texts[0], texts, schema, catalog, footprint)) for i in range(len(function.parameters))}
    return _made(
        function.name, f"{function.called}()", function, None, function.parameters, schema, footprint, texts, uses
    )


def _inserting(table: Table, schema: Schema, catalog: Catalog) -> Subject:
    touch = Touch(writes=frozenset({_insert(table)}))
    footprint = resolve(touch, catalog, lambda _: True)
    texts = tuple(uses_of(r, _names(r, schema)) for r in sorted(reached([touch], catalog)[0], key=lambda r: r.identity))
    columns = [c for c in table.columns if _to_be_given(table, c)]
    parameters = tuple(Parameter(name=c.name, type=c.type, optional=False) for c in columns)
    uses = {i: ((table, c, "inserted"),) for i, c in enumerate(columns)}
    return _made(
        f"insert_{table.name}", f"INSERT INTO {table.key}", None, table, parameters, schema, footprint, texts, uses
    )


def _insert(table: Table) -> Write:
    return Write(relation=table.name, event="insert")


def _to_be_given(table: Table, column: Column) -> bool:
    if column.serial or column.computed or column.default:
        return False
    return column.not_null or any(column.name in r.columns for r in table.references)


def _made(
    name: str,
    title: str,
    function: Function | None,
    inserts: Table | None,
    parameters: tuple[Parameter, ...],
    schema: Schema,
    footprint: Footprint,
    texts: tuple[Uses, ...],
    uses: Mapping[int, tuple[tuple[Table, Column, str], ...]],
) -> Subject:
    touched = footprint.reads | footprint.writes
    if footprint.everything:
        touched |= {t.name for t in schema.tables.values() if t.schema not in _HARNESS}
    looked = frozenset(name for u in texts for name in u.looked)
    tables = [t for t in schema.tables.values() if t.name in touched]
    return Subject(
        name=name,
        title=title,
        function=function,
        inserts=inserts,
        parameters=parameters,
        tables=tuple(tables),
        looked=tuple(t for t in tables if t.name in looked),
        written=frozenset(t.name for t in tables if t.name in footprint.writes),
        uses=uses,
        texts=texts,
        everything=footprint.everything,
    )


def _texts(routine: Routine, touch: Touch, schema: Schema, catalog: Catalog) -> tuple[Uses, ...]:
    """Of the routine itself, then of all that it may run."""
    others = sorted(reached([touch], catalog)[0] - {routine}, key=lambda r: r.identity)
    return tuple(uses_of(r, _names(r, schema)) for r in (routine, *others))


def _names(routine: Routine, schema: Schema) -> list[str]:
    function = schema.functions.get(routine.identity)
    return [p.name for p in function.parameters] if function is not None else []


def _columns(
    position: int,
    own: Uses,
    texts: tuple[Uses, ...],
    schema: Schema,
    catalog: Catalog,
    footprint: Footprint,
    depth: int = 0,
) -> Iterator[tuple[Table, Column, str]]:
    """Columns that a parameter meets, compared ones first, through calls of other functions."""
    mine = [u for u in own.uses if u.parameter == position]
    for how in ("compared", "inserted", "set"):
        for use in mine:
            if use.how == how:
                yield from ((t, c, how) for t, c in _named(use, schema, footprint))
    if depth < _DEPTH:
        for use in mine:
            for routine in catalog.called("", use.column) if use.how == "passed" else ():
                theirs = uses_of(routine, _names(routine, schema))
                yield from _columns(use.to, theirs, texts, schema, catalog, footprint, depth + 1)


def _named(use: Use, schema: Schema, footprint: Footprint) -> Iterator[tuple[Table, Column]]:
    touched = footprint.reads | footprint.writes
    for table in schema.tables.values():
        if table.name not in (use.tables or touched):
            continue
        if use.column.startswith("#"):
            place = int(use.column[1:])
            column = table.columns[place] if place < len(table.columns) else None
        else:
            column = table.column(use.column)
        if column is not None:
            yield table, column
