"""What a database holds, as far as rows and calls are to be made up for it: plain values, read by `read`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NUMERIC = frozenset({"int2", "int4", "int8", "numeric", "float4", "float8", "money"})
TEXT = frozenset({"text", "varchar", "bpchar", "citext", "name"})
TIMES = frozenset({"timestamptz", "timestamp", "date", "time", "timetz"})
JSON = frozenset({"json", "jsonb"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """``name``: as SQL writes it. ``base``: without domains and length, as ``pg_type`` names it; of an array that of
    its elements. ``labels``: of an enum. ``limit``: of characters, 0: none. ``checks``: of the domains."""

    name: str
    base: str
    array: bool = False
    labels: tuple[str, ...] = ()
    limit: int = 0
    checks: tuple[str, ...] = ()

    @property
    def numeric(self) -> bool:
        return self.base in NUMERIC and not self.array


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """``written``: its name as SQL writes it. ``default``: an expression, "" without one. ``serial``: a sequence feeds
    it. ``always``: GENERATED ALWAYS AS IDENTITY. ``computed``: a generated column, which nobody may set."""

    name: str
    written: str
    type: Type
    not_null: bool = False
    default: str = ""
    serial: bool = False
    always: bool = False
    computed: bool = False

    @property
    def made_up(self) -> bool:
        """Whether its value says when or by whom it was made, and nothing else."""
        return self.serial or self.computed or self.type.base in TIMES or "(" in self.default


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A foreign key. ``parent``: the table's `Table.key`."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """``key``: ``schema.name`` as SQL writes it, without ``public.``. ``unique``: of each unique index without an
    expression its columns, the primary key first. ``checks``: constraint → its expression."""

    schema: str
    name: str
    key: str
    columns: tuple[Column, ...]
    unique: tuple[tuple[str, ...], ...] = ()
    references: tuple[Reference, ...] = ()
    checks: Mapping[str, str]
    constraints: Mapping[str, tuple[str, ...]]
    rows: int = 0

    def column(self, name: str) -> Column | None:
        return next((c for c in self.columns if c.name == name), None)

    def is_key(self, column: str) -> bool:
        """Whether it names rows, here or elsewhere."""
        return any(column in columns for columns in self.unique) or any(column in r.columns for r in self.references)

    @property
    def primary(self) -> tuple[str, ...]:
        return self.unique[0] if self.unique else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """An input parameter. ``name``: "" without one. ``optional``: it has a default. ``variadic``: an array that stands
    for the rest of the arguments."""

    name: str
    type: Type
    optional: bool
    variadic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """``identity``: as of `harness.sqltext.catalog.Routine`. ``called``: its name as a call writes it;
    ``home``: its schema, likewise. ``holes``: of a procedure, the places (from 0) of its OUT parameters, for which a
    call holds NULL."""

    identity: str
    schema: str
    name: str
    called: str
    home: str
    parameters: tuple[Parameter, ...]
    procedure: bool = False
    holes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """``tables``: by `Table.key`. ``functions``: by identity."""

    tables: Mapping[str, Table]
    functions: Mapping[str, Function]

    def named(self, name: str) -> tuple[Table, ...]:
        """Tables of this name, without schema."""
        return tuple(t for t in self.tables.values() if t.name == name)
