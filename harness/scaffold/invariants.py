"""What ought to hold, guessed from the schema, and asked of the server in every state that a serial run passes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

from harness.scaffold.bench import Bench, Call
from harness.scaffold.schema import TEXT, Column, Table
from harness.scaffold.search import Found
from harness.scaffold.values import COUNTER, STOCK
from harness.sqltext import literal

_PARTS = re.compile(r"amount|delta|change|qty|quantit|points|total|units|credits|cents", re.IGNORECASE)
"""Numbers whose sum another table may keep."""
_CAPACITY = re.compile(r"capacity|limit|max|stock|size|quota|seats", re.IGNORECASE)
_ONCE = re.compile(r"idempot|request_?(id|key)|external|reference|dedup|nonce|payment_intent", re.IGNORECASE)
_STATUS = re.compile(r"(^|_)(status|state)$", re.IGNORECASE)
_MOST_ROWS = 50
"""Of a table whose opening values go into a query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """``sql``: gives rows only when broken. ``means``: what a row means, a sentence. ``holds``: it did in every state
    that was seen; where it did not, it is left for the person to judge."""

    name: str
    sql: str
    means: str
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guess:
    """``moves``: queries whose answers must not be the same everywhere, else the guess is about nothing that happens.
    ``doubtful``: also shown (commented out) when it does not hold."""

    name: str
    sql: str
    means: str
    moves: tuple[str, ...] = ()
    doubtful: bool = False


def suggest(bench: Bench, found: Found) -> list[Invariant]:
    """For the tables that the calls of ``found`` write."""
    counts = [change for p in found.pairs for o in p.outcomes for change in o.changes]
    changed = {name for name, *_ in counts}
    updated = {name for name, _, updates, _ in counts if updates}
    tables = [t for t in found.subject.tables if f"{t.schema}.{t.name}" in changed]
    with bench.set_up(found.setup):
        guesses = [*_guesses(bench, tables, updated, found)]
    answers: list[list[tuple[object, tuple[str, ...]]]] = [[] for _ in guesses]
    for calls in _orders(found):
        with bench.set_up(found.setup):
            bench.run(calls)
            for mine, guess in zip(answers, guesses, strict=True):
                broken = bench.ask(f"SELECT count(*) FROM ({guess.sql}\n) q")
                mine.append((broken, tuple(str(bench.ask(query)) for query in guess.moves)))
    kept: dict[str, Invariant] = {}
    for mine, guess in zip(answers, guesses, strict=True):
        holds = all(broken == 0 for broken, _ in mine)
        moves = all(len(set(seen)) > 1 for seen in zip(*(seen for _, seen in mine), strict=True))
        if moves and (holds or guess.doubtful) and not (guess.name in kept and (kept[guess.name].holds or not holds)):
            kept[guess.name] = Invariant(name=guess.name, sql=guess.sql, means=guess.means, holds=holds)
    return list(kept.values())


def _orders(found: Found) -> Iterator[tuple[Call, ...]]:
    yield ()
    for pair in found.pairs:
        first, second = pair.calls
        yield from ((first,), (second,), (first, second), (second, first))


def _guesses(bench: Bench, tables: Sequence[Table], updated: Set[str], found: Found) -> Iterator[_Guess]:
    for table in tables:
        numbers = [c for c in table.columns if c.type.numeric and not table.is_key(c.name) and not c.serial]
        for column in numbers if f"{table.schema}.{table.name}" in updated else ():
            yield from _not_negative(table, column)
            yield from _within(table, column, numbers)
        yield from _chain(table, numbers)
        yield from _once(table)
        yield from _status(bench, table, found)
        for child in tables:
            yield from _sums(bench, table, numbers, child)


def _not_negative(table: Table, column: Column) -> Iterator[_Guess]:
    checked = any(
        ">= " in text and column.name in table.constraints.get(name, ()) for name, text in table.checks.items()
    )
    if STOCK.search(column.name) and not checked:
        yield _Guess(
            name=_name(table, column.name, "not_negative"),
            sql=f"SELECT * FROM {table.key} WHERE {column.written} < {_zero(column)}",
            means=f"{table.key}.{column.written} went below zero",
            moves=(f"SELECT array_agg({column.written}::text ORDER BY 1) FROM {table.key}",),
            doubtful=True,
        )


def _within(table: Table, column: Column, others: Sequence[Column]) -> Iterator[_Guess]:
    for other in others:
        if other is not column and COUNTER.search(column.name) and _CAPACITY.search(other.name):
            yield _Guess(
                name=_name(table, column.name, "within", other.name),
                sql=f"SELECT * FROM {table.key} WHERE {column.written} > {other.written}",
                means=f"more {column.written} in {table.key} than its {other.written}",
                moves=(f"SELECT array_agg({column.written}::text ORDER BY 1) FROM {table.key}",),
                doubtful=True,
            )


def _chain(table: Table, numbers: Sequence[Column]) -> Iterator[_Guess]:
    """``balance_after = balance_before + amount``, with either sign."""
    by_name = {c.name: c for c in numbers}
    for name, before in by_name.items():
        after = by_name.get(re.sub("before", "after", name))
        amounts = [c for c in numbers if c is not before and c is not after and re.search("amount|delta", c.name)]
        if "before" not in name or after is None or not amounts:
            continue
        for sign in "+-":
            yield _Guess(
                name=_name(table, "chain"),
                sql=f"SELECT * FROM {table.key} WHERE {after.written} <> {before.written} {sign} {amounts[0].written}",
                means=f"a row of {table.key} does not lead from {before.written} to {after.written}",
                moves=(f"SELECT count(*) FROM {table.key}",),
                doubtful=True,
            )


def _once(table: Table) -> Iterator[_Guess]:
    for column in table.columns:
        refers = any(column.name in r.columns for r in table.references)
        if _ONCE.search(column.name) and (column.name,) not in table.unique and not refers:
            yield _Guess(
                name=_name(table, column.name, "once"),
                sql=f"SELECT {column.written}, count(*) FROM {table.key} WHERE {column.written} IS NOT NULL\n"
                f"GROUP BY {column.written} HAVING count(*) > 1",
                means=f"one {column.written} stands in several rows of {table.key}",
                moves=(f"SELECT count(*) FROM {table.key}",),
                doubtful=True,
            )


def _status(bench: Bench, table: Table, found: Found) -> Iterator[_Guess]:
    for column in table.columns:
        bound = column.type.labels or any(column.name in table.constraints.get(c, ()) for c in table.checks)
        if not _STATUS.search(column.name) or bound or column.type.base not in TEXT:
            continue
        rows = bench.rows_of(f"SELECT DISTINCT {column.written}::text FROM {table.key} ORDER BY 1 LIMIT 20") or []
        known = dict.fromkeys([*found.subject.literals(column.name), *(v for (v,) in rows if v is not None)])
        if known:
            yield _Guess(
                name=_name(table, column.name, "known"),
                sql=f"SELECT * FROM {table.key} WHERE {column.written} NOT IN ({', '.join(map(literal, known))})",
                means=f"{table.key}.{column.written} holds a word that no function knows",
            )


def _sums(bench: Bench, table: Table, numbers: Sequence[Column], child: Table) -> Iterator[_Guess]:
    """A number that is kept beside the rows from which it follows: their sum or count, or what these leave of it."""
    if child is table:
        return
    for mine, theirs in _links(table, child):
        summed = [
            (f"sum(c.{c.written})", f"the sum of {c.written} in its rows of {child.key}")
            for c in child.columns
            if c.type.numeric and not child.is_key(c.name) and not c.serial and _PARTS.search(c.name)
        ]
        counted = [("count(*)", f"how many rows it has in {child.key}")]
        for column in numbers:
            # What counts is likelier a count, what is had likelier a sum: of several that hold the first one is kept.
            for what, words in counted + summed if COUNTER.search(column.name) else summed + counted:
                rows = f"coalesce((SELECT {what} FROM {child.key} c WHERE c.{theirs.written} = t.{mine.written}), 0)"
                rows = rows.replace(", 0)", f", {_zero(column)})") if what != "count(*)" else rows
                name = _name(table, column.name, "and", child.name)
                yield _Guess(
                    name=name,
                    sql=f"SELECT t.* FROM {table.key} t\nWHERE t.{column.written} <> {rows}",
                    means=f"{table.key}.{column.written} is not {words}",
                    moves=_sides(table, column, rows),
                )
                for sign in "+-":
                    yield from _opening(bench, table, column, mine, rows, sign, name, words)


def _opening(
    bench: Bench, table: Table, column: Column, mine: Column, rows: str, sign: str, name: str, words: str
) -> Iterator[_Guess]:
    """The same, with what was there before as a constant."""
    found = bench.rows_of(
        f"SELECT t.{mine.written}::text, (t.{column.written} {sign} {rows})::text FROM {table.key} t "
        f"ORDER BY 1 LIMIT {_MOST_ROWS + 1}"
    )
    if not found or len(found) > _MOST_ROWS or any(value is None for row in found for value in row):
        return
    values = ", ".join(f"({literal(k).strip()}, {literal(v).strip()})" for k, v in found)
    verb = "plus" if sign == "+" else "less"
    yield _Guess(
        name=name,
        sql=f"SELECT t.*, o.total FROM {table.key} t JOIN (VALUES {values}) AS o (key, total)\n"
        f"  ON o.key = t.{mine.written}::text\nWHERE (t.{column.written} {sign} {rows})::text <> o.total",
        means=f"{table.key}.{column.written} {verb} {words} is not what it was at the beginning",
        moves=_sides(table, column, rows),
    )


def _sides(table: Table, column: Column, rows: str) -> tuple[str, ...]:
    """Queries for the two sides of an equation, so that it can be seen whether both move."""
    return tuple(
        f"SELECT array_agg(x ORDER BY x) FROM (SELECT {x}::text AS x FROM {table.key} t) q"
        for x in (f"t.{column.written}", rows)
    )


def _links(table: Table, child: Table) -> Iterable[tuple[Column, Column]]:
    """A column that names rows of ``table``, and the one of ``child`` that says to which of them a row belongs."""
    for reference in child.references:
        if reference.parent == table.key and len(reference.columns) == 1:
            mine, theirs = table.column(reference.parent_columns[0]), child.column(reference.columns[0])
            if mine is not None and theirs is not None:
                yield mine, theirs
                return
    if len(table.primary) == 1:
        mine = table.column(table.primary[0])
        theirs = child.column(table.primary[0])
        if mine is not None and theirs is not None and mine.name != "id" and child.primary != table.primary:
            yield mine, theirs


def _zero(column: Column) -> str:
    return "0::money" if column.type.base == "money" else "0"


def _name(table: Table, *parts: str) -> str:
    """A name for a check: letters, digits, underscores."""
    return re.sub(r"[^A-Za-z0-9]+", "_", "_".join((table.name, *parts))).strip("_")[:60]
