"""Statements of programs, made as they are sent: names, kinds, and what they touch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from harness.driver.plan import Points
from harness.driver.wire import Message
from harness.gating import Gates
from harness.model import EventKind, Footprint, History, Json, Statement, StatementKind, Worker
from harness.points import points, with_commits
from harness.sqltext import Catalog, SqlSyntaxError, literal, split
from harness.sqltext.tokens import Edit, edited, scan
from harness.statements import make_statement, unique_names

_ON = re.compile(r"\b(?:from|into|update|table)\s+(?:only\s+)?(?:\w+\.)?\"?([a-z_]\w*)", re.IGNORECASE)
_CALLED = re.compile(r"\s*(?:select|call)\s+(?:\w+\.)?([a-z_]\w*)\s*\(", re.IGNORECASE)
_NAME = 40
_EVERYTHING = Footprint(everything=True)


class Composer:
    """For programs in a database with ``catalog`` and ``gates``, at a level of isolation. ``excluding``: some statement
    may lock a whole table; that shows only once it is sent, and then holds for ever."""

    def __init__(self, catalog: Catalog, gates: Gates, isolation: str) -> None:
        self._catalog, self._gates, self._isolation = catalog, gates, isolation
        self._sent: dict[tuple[str, str], str] = {}
        self._known: dict[str, Footprint] = {}
        self.excluding = False

    def __call__(self, worker: Worker, said: Message) -> Statement:
        """The statement that ``worker`` sends next; ``said`` as in `harness.driver.relay`."""
        if said.get("commit"):
            before = worker.statements[-1]
            return Statement(name=f"{before.name}:commit", sql="COMMIT", kind=StatementKind.COMMIT)
        sql = ";\n".join(said["sql"])
        *_, statement = unique_names([*worker.statements, _made(sql)])
        statement = replace(statement, opens=said["idle"] and _opens(statement, self._gates))
        self._sent[worker.name, statement.name] = sql
        self._learn(statement)
        return replace(statement, sql=";\n".join(map(with_values, said["sql"], said["values"])))

    def points(self, known: Points) -> Points:
        """``known``, of the workers whose statements stand in a scenario, with those of programs."""

        def entry(worker: str, statement: str) -> Footprint:
            if (worker, statement) in self._sent:
                return self._known[self._sent[worker, statement]]
            return Footprint() if statement.endswith(":commit") else known.entry(worker, statement)

        return replace(known, entry=entry, excluding=known.excluding or self.excluding)

    def executed(self, worker: Worker, history: History) -> Worker:
        """``worker`` with the statements that its program sent in this execution."""
        if not worker.program:
            return worker
        sent = [e for e in history.events if e.kind is EventKind.INVOKE and e.worker == worker.name]
        plain = (
            replace(_made(e.sql or ""), name=e.step) for e in sent if not e.step.endswith(":commit")
        )  # fmt: skip
        return with_commits(replace(worker, statements=tuple(plain)), self._gates)

    def _learn(self, statement: Statement) -> None:
        if statement.sql not in self._known:
            try:
                worker = Worker(name="", statements=(statement,))
                found = points([worker], self._gates, self._catalog, self._isolation, {})
                footprint = found.entry("", statement.name)
            except SqlSyntaxError:  # the server will say so to the program
                footprint = _EVERYTHING
            self._known[statement.sql] = footprint
            self.excluding = self.excluding or bool(footprint.excludes) or footprint.everything


def with_values(sql: str, values: Sequence[Json]) -> str:
    """``sql`` with its parameters as literals, as far as they are known: for people, and to tell what it touches."""
    try:
        found = [t for t in scan(sql) if t.text[:1] == "$" and t.text[1:].isdigit()]
    except SqlSyntaxError:
        return sql
    edits = [
        Edit(at=t.start, text=_literal(values[int(t.text[1:]) - 1]), remove=t.end - t.start)
        for t in found
        if 0 < int(t.text[1:]) <= len(values) and not isinstance(values[int(t.text[1:]) - 1], dict)
    ]
    return edited(sql, edits)


def _literal(value: Json) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else literal(str(value))


def _made(sql: str) -> Statement:
    """Named after what it does to what: ``update_orders``, ``select_refund``."""
    try:
        if len(split(sql)) != 1:
            return Statement(name="statements", sql=sql)
        made = make_statement(sql)
    except SqlSyntaxError:
        return Statement(name="statement", sql=sql)
    on = _ON.search(sql) or _CALLED.match(sql) if made.kind is StatementKind.QUERY else None
    return replace(made, name=f"{made.name}_{on[1].lower()}"[:_NAME]) if on is not None else made


def _opens(statement: Statement, gates: Gates) -> bool:
    """Whether it is to be its own transaction, with a commit apart."""
    return with_commits(Worker(name="", statements=(statement,)), gates).statements[0].opens
