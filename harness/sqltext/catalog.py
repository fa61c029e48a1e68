"""What a database holds, as far as footprints and gates need it: plain values, read by `harness.catalog`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

__all__ = ["Catalog", "ForeignKey", "Relation", "Routine", "Trigger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Routine:
    """A function or procedure of the user's or of an extension.

    ``identity``: ``schema.name(args)``. ``kind``: as ``pg_proc.prokind``: f, p, a(ggregate), w(indow).
    ``volatility``: as ``pg_proc.provolatile``: v, s, i. ``definition``: ``pg_get_functiondef``, "" for aggregates.
    ``source``: ``pg_proc.prosrc``. ``atomic``: a BEGIN ATOMIC body. ``runs``: of an aggregate, names of its support
    functions. ``extension``: that it belongs to, or "".
    """

    identity: str
    schema: str
    name: str
    language: str
    definition: str
    source: str
    kind: str = "f"
    volatility: str = "v"
    trigger: bool = False
    atomic: bool = False
    returns_set: bool = False
    runs: tuple[str, ...] = ()
    extension: str = ""

    @property
    def described(self) -> bool:
        """Whether its text tells what it does."""
        return self.language in ("sql", "plpgsql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """``function``: its name without schema. ``events``: of insert, update, delete, truncate. ``deferrable``: it may
    run as late as at COMMIT."""

    function: str
    events: frozenset[str]
    row: bool = True
    before: bool = False
    deferrable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """``on_delete``, ``on_update``: as in ``pg_constraint``: a (no action), r (restrict), c (cascade), n (set null),
    d (set default)."""

    child: str
    child_columns: frozenset[str]
    parent: str
    parent_columns: frozenset[str]
    on_delete: str = "a"
    on_update: str = "a"
    deferrable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table, view, … by its name without schema; of an inheritance tree or a partitioned table its root, which then
    has the triggers and expressions of all its children.

    ``view``: the query of a view, else "". ``policies``: expressions of row-level security, run by reads and writes.
    ``defaults``: run by INSERT. ``checks``: CHECK constraints, generated columns, index expressions: run by INSERT and
    UPDATE. ``sequences``: of identity columns. ``beyond``: what is done with it cannot be told (a foreign table, a
    rule).
    """

    name: str
    view: str = ""
    policies: tuple[str, ...] = ()
    defaults: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    sequences: frozenset[str] = frozenset()
    triggers: tuple[Trigger, ...] = ()
    beyond: bool = False

    def __or__(self, other: Relation) -> Relation:
        """Both, as one, named as ``self``."""
        return Relation(
            name=self.name,
            view="; ".join(v.rstrip("; \n") for v in (self.view, other.view) if v),
            policies=self.policies + other.policies,
            defaults=self.defaults + other.defaults,
            checks=self.checks + other.checks,
            sequences=self.sequences | other.sequences,
            triggers=self.triggers + other.triggers,
            beyond=self.beyond or other.beyond,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What a database holds. Names are without schema, and two things of one name count as one, which errs on the safe
    side.

    ``relations``: by name, children of partitioned tables left out. ``roots``: child → root. ``serials``: (table,
    column) → sequence. ``sequence_columns``: table (as a ledger names it, with its schema unless that is ``public``) →
    column → the column that a sequence feeds and whose values this one holds: itself, or what it refers to by foreign
    keys. ``rechecked``: tables with unique keys or exclusion constraints that may be checked as late as at COMMIT.
    ``builtins``: functions of ``pg_catalog``. ``operators``: of the user's own operators, the functions behind them.
    ``plain``: routines (by identity) that were found to bear no gates, and why.
    """

    routines: tuple[Routine, ...] = ()
    relations: Mapping[str, Relation] = field(default_factory=dict)
    roots: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[ForeignKey, ...] = ()
    rechecked: frozenset[str] = frozenset()
    sequence_columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    builtins: frozenset[str] = frozenset()
    operators: Mapping[str, frozenset[str]] = field(default_factory=dict)
    plain: Mapping[str, str] = field(default_factory=dict)
    by_name: Mapping[str, tuple[Routine, ...]] = field(init=False)

    def __post_init__(self) -> None:
        found: dict[str, list[Routine]] = {}
        for routine in self.routines:
            found.setdefault(routine.name, []).append(routine)
        object.__setattr__(self, "by_name", {name: tuple(rs) for name, rs in found.items()})

    def root(self, relation: str) -> str:
        """The name under which a relation counts."""
        return self.roots.get(relation, relation)

    def called(self, schema: str, name: str) -> tuple[Routine, ...]:
        """The routines that a call of this name may mean; ``schema``: "" when the call does not say."""
        routines = self.by_name.get(name, ())
        return tuple(r for r in routines if r.schema == schema) or routines if schema else routines

    def why_plain(self, routine: Routine) -> str | None:
        """Why a routine cannot bear gates; None: it can."""
        if routine.kind in ("a", "w"):
            return "an aggregate" if routine.kind == "a" else "a window function"
        if routine.extension:
            return f"belongs to the extension {routine.extension}"
        if not routine.described:
            return f"language {routine.language}"
        if routine.volatility != "v":
            return "STABLE: it reads its caller's snapshot" if routine.volatility == "s" else "IMMUTABLE"
        if routine.atomic:
            return "BEGIN ATOMIC"
        return self.plain.get(routine.identity)

    def but_plain(self, reasons: Mapping[str, str]) -> Catalog:
        """This catalog, with more routines (by identity) known to bear no gates."""
        return replace(self, plain={**self.plain, **reasons})
