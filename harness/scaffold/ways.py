"""Ways to set a function's tables up, the simplest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.scaffold.rows import ROWS
from harness.scaffold.schema import Table
from harness.scaffold.subject import Subject
from harness.scaffold.values import Taste, allowed

_CHOICES = 4
"""Columns with a choice of texts that are turned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way of setting up. ``fill``: which tables get rows: ``none``; of those that are empty, ``others`` (into which
    no row is inserted), ``looked`` or ``all``; ``more`` (those that are looked at, whether they have rows or not)."""

    fill: str
    taste: Taste
    rows: int = ROWS


def ways(subject: Subject) -> Iterator[Way]:
    """The simplest first."""
    names = {c.name for t in subject.tables for c in t.columns}
    hints = {name: found for name in sorted(names) if (found := subject.literals(name))}
    plain = Taste(hints=hints, members=subject.members)
    yield Way(fill="none", taste=plain)
    few = replace(plain, numbers=1)
    for fill in ("others", "looked", "all"):
        yield Way(fill=fill, taste=plain)
        yield Way(fill=fill, taste=few)
    for fill in ("others", "looked", "all"):
        yield Way(fill=fill, taste=replace(plain, full=True))
    turned = [{name: i} for name, count in _choices(subject, hints) for i in range(1, min(count, 5))]
    for turns in turned:
        yield Way(fill="all", taste=replace(plain, turns=turns))
    yield Way(fill="all", taste=replace(plain, numbers=-100))
    for turns in turned:
        yield Way(fill="all", taste=replace(plain, numbers=-100, turns=turns))
    for time in (1, 2, 3):
        yield Way(fill="all", taste=replace(plain, time=time))
    yield Way(fill="all", taste=replace(plain, yes=True))
    for number in [n for n in subject.numbers if 2 <= n <= 12][:2]:
        yield Way(fill="all", taste=plain, rows=number - 1)
    for taste in (plain, few, replace(plain, full=True)):
        yield Way(fill="more", taste=taste)


def _choices(subject: Subject, hints: Mapping[str, Sequence[str]]) -> list[tuple[str, int]]:
    """Columns that hold one of several texts, and of how many."""
    found: dict[str, set[str]] = {}
    for table in subject.looked:
        for column in table.columns:
            texts = {*column.type.labels, *hints.get(column.name, ()), *allowed(table, column)}
            if len(texts) > 1 and column.type.base != "bool":
                found.setdefault(column.name, set()).update(texts)
    return [(name, len(texts)) for name, texts in found.items()][:_CHOICES]


def to_fill(subject: Subject, fill: str) -> list[Table]:
    if fill == "none":
        return []
    if fill == "more":
        return list(subject.looked)
    tables = subject.looked if fill == "looked" else subject.tables
    if fill == "others":
        tables = tuple(t for t in tables if t.name not in subject.inserted)
    return [t for t in tables if t.rows == 0 and t.key != (subject.inserts.key if subject.inserts else "")]
