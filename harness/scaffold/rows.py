"""Rows for tables that have none: made up, and mended until the server takes them, parents first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from harness.db import one_line
from harness.scaffold.bench import sent
from harness.scaffold.schema import Column, Reference, Schema, Table
from harness.scaffold.values import STOCK, Taste, candidates
from harness.sqltext import literal, quoted

ROWS = 2
"""In each table: enough for two of everything."""
_TRIES = 40
"""For one row."""
_DEPTH = 8
"""Of parents of parents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """``statements``: INSERTs that the server took, in order. ``refused``: table → what the server said of the last
    try, for tables that got none."""

    statements: tuple[str, ...]
    refused: Mapping[str, str]


class Filler:
    """Fills tables over ``connection``, which is inside a transaction and stays there."""

    def __init__(self, connection: psycopg.Connection[Any], schema: Schema, taste: Taste) -> None:
        self._connection, self._schema, self._taste = connection, schema, taste
        self._statements: list[str] = []
        self._refused: dict[str, str] = {}
        self._done: set[str] = set()

    def fill(self, key: str, rows: int = ROWS, depth: int = 0) -> None:
        """Insert ``rows`` rows into this table, and into the parents that it needs. Once per table."""
        table = self._schema.tables[key]
        if key in self._done or depth > _DEPTH:
            return
        self._done.add(key)
        for reference in table.references:
            if reference.parent != key and self._follows(table, reference) and not self._has_rows(reference.parent):
                self.fill(reference.parent, depth=depth + 1)
        for n in range(rows):
            if not self._row(table, n):
                break

    def filled(self) -> Filled:
        return Filled(statements=tuple(self._statements), refused=self._refused)

    def _has_rows(self, key: str) -> bool:
        return bool(self._connection.execute(f"SELECT FROM {key} LIMIT 1".encode()).fetchall())

    def _follows(self, table: Table, reference: Reference) -> bool:
        columns = [c for c in table.columns if c.name in reference.columns]
        return self._taste.full or any(c.not_null for c in columns)

    def _row(self, table: Table, n: int) -> bool:
        """Insert the ``n``-th row; whether the server took one."""
        choices = {c.name: candidates(table, c, n, self._taste) for c in table.columns if self._given(table, c)}
        for reference in table.references:
            self._refer(table, reference, choices, n)
        chosen = dict.fromkeys(choices, 0)
        said = ""
        for _ in range(_TRIES):
            statement = _insert(table, {name: values[chosen[name]] for name, values in choices.items()})
            error = self._try(statement)
            if error is None:
                self._statements.append(statement)
                return True
            said = one_line(error.diag.message_primary or str(error))
            self._give_more(table, error, choices, chosen, n)
            if not self._advance(self._blamed(table, error, choices), choices, chosen):
                break
        if not self._changed(table):
            self._refused.setdefault(table.key, said)
        return False

    def _changed(self, table: Table) -> bool:
        """Rows that a trigger has made, as of a user's profile, get what made-up ones would have; whether they took
        it."""
        if table.rows or not self._has_rows(table.key):
            return False
        given = {
            c.written: candidates(table, c, 0, self._taste)[0]
            for c in table.columns
            if not table.is_key(c.name)
            and not c.computed
            and (c.name in self._taste.hints or (c.type.numeric and STOCK.search(c.name)))
        }
        if not given:
            return True
        statement = f"UPDATE {table.key} SET {', '.join(f'{name} = {value}' for name, value in given.items())}"
        if self._try(statement) is None:
            self._statements.append(statement)
        return True

    def _given(self, table: Table, column: Column) -> bool:
        """Whether a row sets this column."""
        if column.computed:
            return False
        if column.serial:  # set by hand, so that the file says which rows there are
            return True
        if column.name in self._taste.hints or (column.type.numeric and STOCK.search(column.name)):
            return True
        if column.default:
            return table.is_key(column.name) or (self._taste.yes and column.type.base == "bool")
        return column.not_null or self._taste.full or any(column.name in c for c in table.unique)

    def _refer(self, table: Table, reference: Reference, choices: dict[str, list[str]], n: int) -> None:
        """Columns that refer to another table have the keys of its rows to choose from."""
        if not self._follows(table, reference):
            for name in reference.columns:
                column = table.column(name)
                if column is not None and not column.not_null and not any(name in c for c in table.unique):
                    choices.pop(name, None)
            return
        names = ", ".join(f"{quoted(c)}::text" for c in reference.parent_columns)
        order = ", ".join(str(i + 1) for i in range(len(reference.columns)))
        found = self._connection.execute(
            f"SELECT {names} FROM {reference.parent} ORDER BY {order} LIMIT 5".encode()
        ).fetchall()
        if not found:
            return
        found = found[:1] * (n == 0 or not self._tells_apart(table, reference)) + (found[n:] + found[:n])
        for place, name in enumerate(reference.columns):
            column = table.column(name)
            plain = column is not None and column.type.numeric
            choices[name] = [row[place] if plain else literal(row[place]) for row in found]

    def _tells_apart(self, table: Table, reference: Reference) -> bool:
        """Whether no two rows can have the same parent."""
        return any(set(columns) <= set(reference.columns) for columns in table.unique)

    def _try(self, statement: str) -> psycopg.Error | None:
        try:
            sent(self._connection, "SAVEPOINT row", statement, "SET CONSTRAINTS ALL IMMEDIATE", "RELEASE row")
        except psycopg.Error as error:
            if self._connection.closed:
                raise
            sent(self._connection, "ROLLBACK TO row", "RELEASE row")
            return error
        return None

    def _give_more(
        self, table: Table, error: psycopg.Error, choices: dict[str, list[str]], chosen: dict[str, int], n: int
    ) -> None:
        """A column that was left out and may not be NULL after all."""
        column = table.column(error.diag.column_name or "")
        if error.sqlstate == "23502" and column is not None and column.name not in choices and not column.computed:
            choices[column.name] = ["NULL", *candidates(table, column, n, self._taste)]
            chosen[column.name] = 0

    def _blamed(self, table: Table, error: psycopg.Error, choices: Mapping[str, list[str]]) -> list[str]:
        """Columns that might be changed to please the server."""
        diag = error.diag
        if diag.column_name in choices:
            return [str(diag.column_name)]
        named = table.constraints.get(diag.constraint_name or "", ())
        found = [c for c in reversed(named) if c in choices]
        if not found and error.sqlstate == "23514":  # of a domain
            found = [c.name for c in table.columns if c.type.checks and c.name in choices]
        if not found and error.sqlstate in ("22001", "22003", "22P02", "23514"):
            wanted = error.sqlstate == "22003"
            found = [c.name for c in table.columns if c.name in choices and c.type.numeric == wanted]
        return found or list(choices)

    def _advance(self, names: list[str], choices: Mapping[str, list[str]], chosen: dict[str, int]) -> bool:
        """The next combination of these columns' values, as an odometer turns; whether there was one."""
        for name in names:
            if chosen[name] + 1 < len(choices[name]):
                chosen[name] += 1
                return True
            chosen[name] = 0
        return False


def _insert(table: Table, values: Mapping[str, str]) -> str:
    if not values:
        return f"INSERT INTO {table.key} DEFAULT VALUES"
    given = {c.name: c for c in table.columns if c.name in values}
    always = any(c.always for c in given.values())
    names = ", ".join(given[name].written for name in values)
    overriding = " OVERRIDING SYSTEM VALUE" if always else ""
    return f"INSERT INTO {table.key} ({names}){overriding} VALUES ({', '.join(values.values())})"
