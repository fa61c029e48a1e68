"""Values that a column might take, as SQL writes them, best first. Nothing is random."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.scaffold.schema import JSON, TEXT, Column, Table, Type
from harness.sqltext import literal

STOCK = re.compile(
    r"balance|credit|stock|on_?hand|quantit|qty|remain|left|avail|capacit|limit|max|seat|point|amount|total|price|cost|"
    r"coin|token|fund|delta|supply|quota|budget|inventor|value|score|best|allowance|uses",
    re.IGNORECASE,
)
"""Names of numbers of which there is to be some."""
COUNTER = re.compile(
    r"(^|_)(taken|used|sold|counts?|attempts?|tries|vers?|version|seq|n|no|spent|reserved|claimed|booked|consumed|num|"
    r"hits|redeemed|percent)$",
    re.IGNORECASE,
)
"""Names of numbers that begin low."""
FUTURE = re.compile(r"expir|until|(^|_)ends?($|_)|valid|deadline|close", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.'])\d{1,9}(?![\w.'])")
_STRING = re.compile(r"'((?:[^']|'')*)'")
_FIRST = 1001
"""Of made-up numbers that name rows: out of the way of sequences that begin with 1."""

SIMPLE = {
    "bytea": "'\\x00'",
    "inet": "'192.0.2.1'",
    "cidr": "'192.0.2.0/24'",
    "interval": "interval '1 day'",
    "uuid": "",
    "tsvector": "''",
    "bit": "B'0'",
    "varbit": "B'0'",
    "xml": "'<x/>'",
    "point": "'(0,0)'",
    "ltree": "'a'",
    "hstore": "''",
    "macaddr": "'08:00:2b:01:02:03'",
}


_HOUR = "interval '1 hour'"
RANGES: Mapping[str, Sequence[tuple[str, str]]] = {
    **dict.fromkeys(("int4range", "int8range", "numrange"), (("1", "10"), ("10", "20"), ("20", "30"))),
    "daterange": (("CURRENT_DATE", "CURRENT_DATE + 1"), ("CURRENT_DATE + 1", "CURRENT_DATE + 2")),
    "tstzrange": (("now()", f"now() + {_HOUR}"), (f"now() + {_HOUR}", f"now() + 2 * {_HOUR}")),
    "tsrange": (
        ("localtimestamp", f"localtimestamp + {_HOUR}"),
        (f"localtimestamp + {_HOUR}", f"localtimestamp + 2 * {_HOUR}"),
    ),
}
"""Ranges that do not overlap, by their ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taste:
    """One way of making rows up. ``numbers``: what numbers that are not keys and not counters are. ``turns``: column →
    which of the texts that it may hold comes first (from 0, in the order in which functions name them). ``full``:
    columns that may be NULL are filled. ``time``: 0: times lie in the past, or ahead where their names say so; 1: the
    other way round; 2: now; 3: the month's begin. ``yes``: booleans are true. ``hints``: column → such texts.
    ``members``: column → keys of the JSON objects in it."""

    numbers: int = 100
    turns: Mapping[str, int] = field(default_factory=dict)
    full: bool = False
    time: int = 0
    yes: bool = False
    hints: Mapping[str, Sequence[str]] = field(default_factory=dict)
    members: Mapping[str, Sequence[str]] = field(default_factory=dict)


def fresh(kind: Type, name: str, n: int, *, other: bool = False) -> str:
    """The ``n``-th made-up value (from 0) that names something; ``other``: one that no made-up row has."""
    if kind.base == "uuid":
        return f"'00000000-0000-4000-8000-{_FIRST + n + 1000 * other:012}'"
    if kind.numeric:
        return str(_FIRST + n + 1000 * other)
    if "mail" in name.lower():
        names = ("dan", "eve", "fay") if other else ("ann", "bob", "cy")
        return literal(names[n % 3] + ("" if n < 3 else str(n)) + "@example.com")
    plain = re.sub(r"^(p|in|v|a|i|arg)?_+", "", name) or "key"
    text = f"{plain}-{chr(ord('a') + n) if other else n + 1}"
    return literal(text[-kind.limit :] if kind.limit else text)


def candidates(table: Table, column: Column, n: int, taste: Taste) -> list[str]:
    """For the ``n``-th row (from 0) of ``table``; never empty, each once."""
    return list(dict.fromkeys([*_values(table, column, n, taste)])) or ["NULL"]


def of_type(kind: Type, name: str, taste: Taste, n: int = 0) -> Iterator[str]:
    """Values of a type, for what has this name."""
    if kind.array:
        yield f"'{{}}'::{kind.name}"
        return
    if kind.labels:
        known = [text for text in taste.hints.get(name, ()) if text in kind.labels]
        labels = list(dict.fromkeys([*known, *kind.labels]))
        yield from (literal(text) for text in _turned(labels, taste.turns.get(name, 0)))
    elif kind.base == "bool":
        yield from ("true", "false") if taste.yes else ("false", "true")
    elif kind.numeric:
        low = bool(COUNTER.search(name))
        yield from ("0", "1", "2") if low else (str(taste.numbers), "1000", "100", "10", "1", "0", "-100")
    elif kind.base in ("date", "timestamptz", "timestamp"):
        yield from _times(kind.base, name, taste.time)
    elif kind.base in ("time", "timetz"):
        yield "'12:00'"
    elif kind.base in JSON:
        named = Type(name="text", base="text")
        members = [f"{literal(key)}, {fresh(named, key, n)}" for key in taste.members.get(name, ())]
        yield f"{kind.base}_build_object({', '.join(members)})" if members else "'{}'"
        yield "'[]'"
    elif kind.base in TEXT:
        yield from (literal(text) for text in _turned(list(taste.hints.get(name, ())), taste.turns.get(name, 0)))
        yield fresh(kind, name, n)
    elif kind.base == "uuid":
        yield fresh(kind, name, n)
    elif kind.base in SIMPLE:
        yield SIMPLE[kind.base]
    elif kind.base in RANGES:
        yield from (f"{kind.base}({start}, {end})" for start, end in RANGES[kind.base])


def _values(table: Table, column: Column, n: int, taste: Taste) -> Iterator[str]:
    kind, name = column.type, column.name
    key = table.is_key(name)
    checks = [text for c, text in table.checks.items() if name in table.constraints.get(c, ())]
    numbers, texts = _said(checks + list(kind.checks))
    hints = list(dict.fromkeys([*taste.hints.get(name, ()), *texts]))
    if key and not column.type.labels and not texts and (kind.numeric or kind.base in TEXT or kind.base == "uuid"):
        # In a key of several columns the last one tells rows apart.
        varies = any(c[-1] == name for c in table.unique) or not any(name in c for c in table.unique)
        first = fresh(kind, name, n if varies else 0)
        yield first
        yield from (_stretched(n if varies else 0, size) for size in numbers if kind.base in TEXT and size < 100)
        yield from (fresh(kind, name, i) for i in range(n + 1, n + 4))
    if kind.base in TEXT and not kind.array:
        yield from (
            literal(text) for text in _turned(_allowed(hints, texts), taste.turns.get(name, 0)) if "%" not in text
        )
    if column.serial:
        yield fresh(kind, name, n)
    yield from of_type(kind, name, replace(taste, hints={name: hints}), n)
    if kind.base in TEXT and not kind.array:
        yield from (_stretched(n, size) for size in numbers if size < 100)
        yield from (literal(text) for text in ("ann@example.com", "a", "A", "AAA", "https://example.com/", "1", ""))
        yield from (literal(text.replace("%", "x")) for text in texts)
    if kind.numeric:
        yield from (str(v) for c in numbers for v in (c, c + 1, max(c - 1, 0)))
    if kind.base in ("date", "timestamptz", "timestamp"):
        yield from (t for i in range(4) for t in _times(kind.base, name, i))


def allowed(table: Table, column: Column) -> list[str]:
    """The texts that constraints name, if any."""
    checks = [text for c, text in table.checks.items() if column.name in table.constraints.get(c, ())]
    return _said(checks + list(column.type.checks))[1]


def _allowed(hints: list[str], texts: list[str]) -> list[str]:
    """Where constraints name texts, those first that the functions name, too."""
    return [t for t in hints if not texts or t in texts] + [t for t in texts if t not in hints]


def _said(checks: Sequence[str]) -> tuple[list[int], list[str]]:
    """Numbers and strings in constraints."""
    texts = [m.replace("''", "'") for text in checks for m in _STRING.findall(text)]
    numbers = [int(m) for text in checks for m in _NUMBER.findall(_STRING.sub("", text))]
    return list(dict.fromkeys(numbers)), list(dict.fromkeys(texts))


def _stretched(n: int, size: int) -> str:
    return literal(f"{n + 1:0{size}}"[-size:] if size else "")


def _turned(values: list[str], by: int) -> list[str]:
    """``values``, beginning with the one at ``by``."""
    by = min(by, max(len(values) - 1, 0))
    return values[by:] + values[:by]


def _times(base: str, name: str, way: int) -> Iterator[str]:
    ahead = bool(FUTURE.search(name)) != (way == 1)
    now = "CURRENT_DATE" if base == "date" else "now()"
    step = "1" if base == "date" else "interval '1 hour'"
    if way == 2:
        yield now
    elif way == 3:
        yield f"date_trunc('month', {now})::{base}"
    else:
        yield f"{now} {'+' if ahead else '-'} {step}"
