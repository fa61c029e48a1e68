"""Where calls are tried: alone and one after the other, in transactions that are rolled back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from harness.db import one_line
from harness.errors import TargetError
from harness.scaffold.schema import Table

ALONE_S = 10
"""How long a call may take that nobody disturbs."""
_MOST_ROWS = 500
"""Of a table that is compared row by row."""
_MADE_UP = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d+:]*"
)
"""Ids and times, which say nothing when they differ."""
_COUNTED = """
SELECT schemaname || '.' || relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables
WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 AND schemaname NOT LIKE 'pg_temp%' ORDER BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a worker sends: ``before`` (settings), then ``sql``. ``apart``: not in one transaction."""

    sql: str
    before: tuple[str, ...] = ()
    apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """``sqlstate``: "" when there was no error; ``said``: the error's text. ``answer``: without ids and times.
    ``changes``: (table, rows inserted, updated, deleted)."""

    answer: str = ""
    sqlstate: str = ""
    said: str = ""
    changes: tuple[tuple[str, int, int, int], ...] = ()

    @property
    def effect(self) -> tuple[object, ...]:
        return self.sqlstate, self.changes

    @property
    def changes_rows(self) -> bool:
        return not self.sqlstate and bool(self.changes)


class Bench:
    """Over an autocommit ``connection``, which it has to itself."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    @contextmanager
    def set_up(self, statements: Sequence[str] = ()) -> Iterator[None]:
        """A transaction in which ``statements`` were run, rolled back at the end."""
        self.connection.execute(b"BEGIN")
        try:
            self.connection.execute(f"SET LOCAL statement_timeout = '{ALONE_S}s'".encode())
            for statement in statements:
                self.connection.execute(statement.encode())
            yield
        finally:
            self._end()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What happens in here is taken back."""
        self.connection.execute(b"SAVEPOINT aside")
        try:
            yield
        finally:
            if not self.connection.closed:
                sent(self.connection, "ROLLBACK TO aside", "RELEASE aside")

    def run(self, calls: Sequence[Call]) -> list[Outcome]:
        """Their outcomes, one after the other; the effects of those that did not fail stay."""
        return [self._call(call, "RELEASE call") for call in calls]

    def alone(self, call: Call) -> Outcome:
        """The same of one, and nothing stays."""
        return self._call(call, "ROLLBACK TO call", "RELEASE call")

    def rows(self, tables: Sequence[Table]) -> str:
        """What is in ``tables`` now, without what is made up for every row anew."""
        parts: list[str] = []
        for table in tables:
            named = ", ".join(c.written for c in table.columns if not c.made_up)
            if named:
                parts.append(f"SELECT '{len(parts)}' || (q::text) AS r FROM (SELECT {named} FROM {table.key}) q")
        if not parts:
            return ""
        query = f"SELECT md5(string_agg(r, ' ' ORDER BY r)) FROM ({' UNION ALL '.join(parts)} LIMIT {_MOST_ROWS}) x"
        return str(self.ask(query))

    def cells(self, tables: Sequence[Table]) -> dict[tuple[str, str, str], object]:
        """(table, primary key, column) → value, of what is in ``tables`` now; those without such a key left out."""
        found: dict[tuple[str, str, str], object] = {}
        for table in tables:
            key = {c.name: c.written for c in table.columns if c.name in table.primary}
            if key:
                named = ", ".join(f"{c}::text" for c in key.values())
                query = f"SELECT concat_ws(' ', {named}), to_jsonb(t) FROM {table.key} t LIMIT {_MOST_ROWS}"
                for name, row in self.rows_of(query) or []:
                    found |= {(table.key, name, column): value for column, value in row.items()}
        return found

    def ask(self, query: str) -> object:
        """The first value of the answer; None for an error, which leaves the transaction as it was."""
        found = self.rows_of(query)
        return found[0][0] if found else None

    def rows_of(self, query: str) -> list[tuple[Any, ...]] | None:
        """All rows; None for an error."""
        try:
            return sent(self.connection, "SAVEPOINT ask", query, "RELEASE ask")[1]
        except psycopg.Error:
            if self.connection.closed:
                raise
            sent(self.connection, "ROLLBACK TO ask", "RELEASE ask")
            return None

    def _call(self, call: Call, *after: str) -> Outcome:
        """All in one message: a message there and back takes longer than most calls."""
        checked = "SET CONSTRAINTS ALL IMMEDIATE"
        try:
            _, before, *told = sent(
                self.connection, "SAVEPOINT call", _COUNTED, *call.before, call.sql, checked, _COUNTED, *after
            )
        except psycopg.Error as error:
            if self.connection.closed:
                raise TargetError(f"connection lost at {call.sql}: {one_line(str(error))}") from None
            sent(self.connection, "ROLLBACK TO call", "RELEASE call")
            said = one_line(error.diag.message_primary or str(error))
            return Outcome(sqlstate=error.sqlstate or "XX000", said=said)
        answer, _, counted = told[len(call.before) : len(call.before) + 3]
        was = {name: counts for name, *counts in before}
        changes = []
        for name, *counts in counted:
            inserted, updated, deleted = (n - o for n, o in zip(counts, was.get(name, (0, 0, 0)), strict=True))
            if inserted or updated or deleted:
                changes.append((name, inserted, updated, deleted))
        return Outcome(answer=_MADE_UP.sub("*", str(answer)), changes=tuple(changes))

    def _end(self) -> None:
        if not self.connection.closed:
            self.connection.execute(b"ROLLBACK")


def sent(connection: psycopg.Connection[Any], *statements: str) -> list[list[tuple[Any, ...]]]:
    """The rows of each of ``statements``, which go in one message. Raises `psycopg.Error` of the first that fails."""
    cursor = connection.cursor()
    cursor.execute(";\n".join(statements).encode(), prepare=False)
    found = []
    more: bool | None = True
    while more:
        found.append(cursor.fetchall() if cursor.description else [])
        more = cursor.nextset()
    return found
