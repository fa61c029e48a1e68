"""From what SQL names to what it may touch: through functions, triggers, views, keys, defaults and policies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from harness.model import Footprint
from harness.sqltext.builtin import live_view
from harness.sqltext.catalog import Catalog, ForeignKey, Relation, Routine
from harness.sqltext.routines import touch_of_routine
from harness.sqltext.touch import Name, Touch, Write
from harness.sqltext.walk import touch_of

__all__ = ["before_scan", "commit_footprint", "entry_footprint", "footprint_of", "reached", "resolve"]


def footprint_of(sql: str, catalog: Catalog) -> Footprint:
    """All that a client's ``sql`` may touch, through every function that it calls and every trigger that fires."""
    return resolve(touch_of(sql), catalog, lambda _: True)


def entry_footprint(sql: str, catalog: Catalog, gated: Collection[str]) -> Footprint:
    """What ``sql`` itself may touch outside the routines that have gates (``gated``: their identities): what runs
    before the first gate, and after any."""
    return resolve(touch_of(sql), catalog, lambda routine: routine.identity not in gated)


def commit_footprint(catalog: Catalog) -> Footprint:
    """What a COMMIT may touch: deferrable triggers and constraints may run as late as then."""
    locked = {table for k in catalog.keys if k.deferrable for table in (k.parent, k.child)} | catalog.rechecked
    touch = Touch(
        calls=frozenset(("", t.function) for r in catalog.relations.values() for t in r.triggers if t.deferrable),
        writes=frozenset(Write(relation=table, event="lock") for table in locked),
    )
    return resolve(touch, catalog, lambda _: True)


def reached(touches: Iterable[Touch], catalog: Catalog) -> tuple[frozenset[Routine], bool]:
    """The routines that may run, and whether any other may, too (dynamic SQL)."""
    found = _Resolution(catalog, lambda _: True)
    for touch in touches:
        found.take(touch)
    found.finish()
    return frozenset(found.routines), found.everything


def resolve(touch: Touch, catalog: Catalog, through: Callable[[Routine], bool]) -> Footprint:
    """What ``touch`` comes to, not counting what lies in routines for which ``through`` is False."""
    found = _Resolution(catalog, through)
    found.take(touch)
    return found.finish()


def before_scan(touch: Touch, footprint: Footprint, catalog: Catalog) -> Footprint:
    """Of the ``footprint`` of one statement, what happens until its scan begins: its snapshot is taken, and its tables
    are locked as tables, which here counts as reading them. A BEFORE trigger of the whole statement runs then,
    too: with one it is all of it."""
    relations = [catalog.relations.get(catalog.root(w.relation)) for w in touch.writes]
    if footprint.everything or any(t.before and not t.row for r in relations if r is not None for t in r.triggers):
        return footprint
    targets = Touch(reads=frozenset(w.relation for w in touch.writes))
    return Footprint(reads=footprint.reads | resolve(targets, catalog, lambda _: False).reads)


class _Resolution:
    def __init__(self, catalog: Catalog, through: Callable[[Routine], bool]) -> None:
        self.catalog, self.through = catalog, through
        self.routines: set[Routine] = set()
        self.reads: set[str] = set()
        self.writes: set[str] = set()
        self.excludes: set[str] = set()
        self.everything = False
        self._seen: set[object] = set()
        self._open: list[Touch] = []

    def take(self, touch: Touch) -> None:
        self._open.append(touch)

    def finish(self) -> Footprint:
        while self._open:
            touch = self._open.pop()
            self.everything |= touch.everything
            self.writes |= touch.shared
            for relation in touch.reads:
                if self._new(("read", relation)):
                    self._read(relation)
            for write in touch.writes:
                if self._new(write):
                    self._write(write)
            for relation in touch.excludes:
                self._exclude(relation)
            for name in touch.calls:
                if self._new(("call", *name)):
                    self._call(name)
            for operator in touch.operators & self.catalog.operators.keys():
                self._calls(self.catalog.operators[operator])
        return Footprint(
            reads=frozenset(self.reads),
            writes=frozenset(self.writes),
            excludes=frozenset(self.excludes),
            everything=self.everything,
        )

    def _new(self, key: object) -> bool:
        """Whether ``key`` is met for the first time."""
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def _calls(self, names: Iterable[str]) -> None:
        self.take(Touch(calls=frozenset(("", name) for name in names)))

    def _expressions(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.take(touch_of(f"SELECT {text}"))

    def _relation(self, name: str) -> Relation | None:
        relation = self.catalog.relations.get(self.catalog.root(name))
        if relation is None:
            self.everything |= live_view(name)
        else:
            self.everything |= relation.beyond
        return relation

    def _read(self, name: str) -> None:
        relation = self._relation(name)
        if relation is None:
            self.reads.add(name)
            self.writes.add(f"sequence {name}")  # if it is one: its value shows at once, whoever drew it
            return
        self._expressions(relation.policies)
        if relation.view:
            self.take(touch_of(relation.view))
        else:
            self.reads.add(relation.name)

    def _exclude(self, name: str) -> None:
        relation = self._relation(name)
        if relation is not None and relation.view:
            for base in touch_of(relation.view).reads - {name}:
                if self._new(("exclude", base)):
                    self._exclude(base)
        else:
            self.excludes.add(self.catalog.root(name))

    def _write(self, write: Write) -> None:
        relation = self._relation(write.relation)
        if relation is None:
            self.writes.add(write.relation)
            return
        if write.event != "lock":
            self._calls(t.function for t in relation.triggers if write.event in t.events)
        self._expressions(relation.policies)
        if relation.view:
            view = touch_of(relation.view)
            self.take(view)
            self.take(Touch(writes=frozenset(Write(relation=r, event=write.event) for r in view.reads)))
            return
        if write.event == "truncate":
            self._truncated(relation)
            return
        self.writes.add(relation.name)
        if write.event == "insert":
            self.writes |= {f"sequence {s}" for s in relation.sequences}
        if write.event == "insert" or (write.event == "update" and write.columns is None):
            self._expressions(relation.defaults)
        if write.event in ("insert", "update"):
            self._expressions(relation.checks)
        self._keys(relation, write)

    def _truncated(self, relation: Relation) -> None:
        """TRUNCATE … CASCADE and RESTART IDENTITY are taken for granted."""
        self.writes |= {f"sequence {s}" for s in relation.sequences}
        for key in self.catalog.keys:
            if key.parent == relation.name:
                child = Touch(
                    excludes=frozenset({key.child}), writes=frozenset({Write(relation=key.child, event="truncate")})
                )
                self.take(child)

    def _keys(self, relation: Relation, write: Write) -> None:
        # A BEFORE trigger may change columns that the statement does not name.
        columns = None if any(t.before and t.row for t in relation.triggers) else write.columns
        for key in self.catalog.keys:
            if key.child == relation.name and (
                write.event == "insert" or (write.event == "update" and _meet(columns, key.child_columns))
            ):
                self.take(Touch(writes=frozenset({Write(relation=key.parent, event="lock")})))
            if key.parent == relation.name:
                self.take(Touch(writes=frozenset(_on_children(key, write.event, columns))))

    def _call(self, name: Name) -> None:
        schema, bare = name
        routines = () if schema == "pg_catalog" else self.catalog.called(schema, bare)
        if not routines and bare not in self.catalog.builtins:
            self.everything = True
        for routine in routines:
            if self.through(routine):
                self.routines.add(routine)
                if self._new(("routine", routine.identity)):
                    self.take(touch_of_routine(routine))


def _meet(columns: frozenset[str] | None, others: frozenset[str]) -> bool:
    return columns is None or bool(columns & others)


def _on_children(key: ForeignKey, event: str, columns: frozenset[str] | None) -> Iterable[Write]:
    """What changing a parent row does to the child table: at least its rows are looked for and locked."""
    if event == "delete":
        action = key.on_delete
    elif event == "update" and _meet(columns, key.parent_columns):
        action = key.on_update
    else:
        return
    yield Write(relation=key.child, event="lock")
    if action == "c":
        yield Write(relation=key.child, event="delete" if event == "delete" else "update", columns=key.child_columns)
    elif action in ("n", "d"):
        yield Write(relation=key.child, event="update", columns=key.child_columns)
