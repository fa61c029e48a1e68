"""A database twice, plain and with gates in its functions, and what a call shows in each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from harness.catalog import read_catalog
from harness.gating import GATE_SQLSTATE, LIFE_KEY, TURN_SEQUENCE, Gates, install_gates

Connection = psycopg.Connection[Any]
FIRST_TURN = 1000000001

_CONDITION = re.compile(r" \(SELECT harness\.gate\(\d+\)\) AND \(")
_NEW_WHERE = re.compile(r" WHERE \(SELECT harness\.gate\(\d+\)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a client sees of a statement; ``context`` as if no gate were there."""

    rows: tuple[Any, ...] | None
    status: str | None
    sqlstate: str | None
    message: str | None
    context: str | None
    notices: tuple[tuple[str | None, str | None], ...]


class Watched:
    """A connection whose notices are kept."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.turns: list[tuple[int, int]] = []
        """Turn and site of every gate that was passed."""
        self._notices: list[tuple[str | None, str | None]] = []
        connection.add_notice_handler(self._notice)

    def _notice(self, diag: psycopg.errors.Diagnostic) -> None:
        if diag.sqlstate == GATE_SQLSTATE:
            turn, site = str(diag.message_primary).split()
            self.turns.append((int(turn), int(site)))
        else:
            self._notices.append((diag.sqlstate, diag.message_primary))

    @property
    def sites(self) -> list[int]:
        return [site for _, site in self.turns]

    def run(self, sql: str) -> Shown:
        self._notices.clear()
        rows = status = sqlstate = message = context = None
        try:
            cursor = self.connection.execute(sql.encode(), prepare=False)
            status = cursor.statusmessage
            rows = tuple(cursor.fetchall()) if cursor.description else None
        except psycopg.Error as error:
            sqlstate, message = error.sqlstate, error.diag.message_primary
            context = _without_gates(error.diag.context)
        return Shown(
            rows=rows, status=status, sqlstate=sqlstate, message=message, context=context,
            notices=tuple(self._notices),
        )  # fmt: skip


def _without_gates(context: str | None) -> str | None:
    """Undoes what an overlap point does to the text of a statement, which a CONTEXT line quotes."""
    if context is None:
        return None
    while found := _CONDITION.search(context):
        depth, at = 1, found.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(context[at], 0)
            at += 1
        context = context[: found.start()] + context[found.end() : at - 1] + context[at:]
    return _NEW_WHERE.sub("", context)


def gate(connection: Connection, calls: Sequence[str]) -> Gates:
    """Installs gates for ``calls``."""
    return install_gates(connection, read_catalog(connection), calls)


def take_control(worker: Connection) -> None:
    """Makes a session one that stops at gates, if somebody holds its key."""
    worker.execute(f"CREATE TEMP SEQUENCE {TURN_SEQUENCE} START {FIRST_TURN}")


def sign_of_life(controller: Connection) -> None:
    controller.execute("SELECT pg_advisory_lock(%s, %s)", LIFE_KEY)


def ledger(connection: Connection) -> dict[str, list[Any]]:
    """All rows of all tables, and where all sequences stand."""
    found: dict[str, list[Any]] = {}
    relations = connection.execute(
        "SELECT format('%I.%I', n.nspname, c.relname), c.relkind::text FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'S')"
        " AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1"
    ).fetchall()
    for name, kind in relations:
        columns = "last_value, is_called" if kind == "S" else "*"
        found[name] = sorted(map(str, connection.execute(f"SELECT {columns} FROM {name}".encode()).fetchall()))
    return found
