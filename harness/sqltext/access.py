"""What a statement reads and writes, column by column: plain values, for explanations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Access", "Equal", "Look", "Put", "Source"]


class Source(StrEnum):
    """What a column is set to. ``OWN``: computed from what the row holds at that moment, so never stale.
    ``CONSTANT``: a literal. ``OTHER``: variables, parameters, other rows."""

    OWN = "own"
    CONSTANT = "constant"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Equal:
    """``column = value``. ``key``: of ``column ->> 'key'`` ("": the column itself). ``value``: as text; None: that of a
    variable or of another table's column."""

    column: str
    key: str = ""
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A look at a table. ``columns``: all that it depends on. ``equal``, ``vague``: its conditions, all of which must
    hold; of a vague one only the columns are known. ``fresh``: rows are locked, so that they are read as they are when
    the lock is there, not as the statement's snapshot has them.
    ``skips``: what others have locked is passed over. ``first``: LIMIT; ``order``: columns, and whether descending;
    ``bounded``: only some rows are taken, and it cannot be told which. ``lockable``: FOR UPDATE could stand there."""

    table: str
    columns: frozenset[str]
    equal: tuple[Equal, ...] = ()
    vague: tuple[frozenset[str], ...] = ()
    fresh: bool = False
    skips: bool = False
    first: int | None = None
    order: tuple[tuple[str, bool], ...] = ()
    bounded: bool = False
    lockable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """A write. ``event``: insert, update or delete. ``columns``: of an update, what is set, and to what. ``names``: per
    column, the variables that it is set from (``v_after``, ``r.balance``); of an insert all of them, under "".
    ``values``: literals, as texts."""

    table: str
    event: str
    columns: Mapping[str, Source] = field(default_factory=dict)
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a statement does. ``constants``: its literals, as texts. ``into``: the variables that take its result.
    ``cursor``: the cursor that it opens or fetches from; the looks of a fetch are those of its opening."""

    looks: tuple[Look, ...] = ()
    puts: tuple[Put, ...] = ()
    constants: frozenset[str] = frozenset()
    into: frozenset[str] = frozenset()
    cursor: str = ""
