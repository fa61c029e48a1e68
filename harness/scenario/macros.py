"""Macros: the refund system's calls and set-up, whose SQL lives in ``sql/calls``, ``sql/setup`` and the variants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from harness.model import Call, Script, Statement
from harness.resources import shipped
from harness.scenario.schema import SetupSpec
from harness.scenario.yamltext import Document
from harness.sqltext import Piece, SqlSyntaxError, Template, literal, split


@cache
def pieces(name: str) -> tuple[Piece, ...]:
    """The statements of a shipped script, by its path under ``sql/`` without the ending."""
    return split((shipped("sql") / f"{name}.sql").read_text(encoding="utf-8"))


def bind(sql: str, given: Mapping[str, str | int], ids: Mapping[str, str]) -> str:
    """``sql`` with its variables replaced: those in ``ids`` by the scenario's own variable (``:'job'`` → ``:'j1'``),
    those in ``given`` by literals."""
    values = {name: str(value) if isinstance(value, int) else literal(value) for name, value in given.items()}
    return Template(sql).replaced({**values, **{name: f":'{id_}'" for name, id_ in ids.items()}})


def call_statement(call: Call, given: Mapping[str, str | int], name: str | None = None) -> Statement:
    """The client statement of one of the system's calls. ``given``: its values that are no ids."""
    [piece] = pieces(f"calls/{call.kind}")
    sql = bind(piece.text, given, {"job": call.job, "user": call.user})
    return Statement(name=name or call.kind, sql=sql, call=call)


def setup_scripts(document: Document, setup: Sequence[SetupSpec]) -> Iterator[Script]:
    """One script per entry of ``setup``."""
    for i, entry in enumerate(setup):
        parts: list[str] = []
        if entry.sql is not None:
            where = document.text_at(("setup", i), "sql")
            try:
                parts += [p.text for p in split(entry.sql)]
            except SqlSyntaxError as e:
                raise document.error_in_text(where, e.offset, f"bad SQL: {e.message}") from None
            if not parts:
                raise document.error(where, "no SQL command here")
        if entry.user is not None:
            parts += _bound("setup/open", {"balance": entry.user.balance}, {"user": entry.user.name})
        if entry.job is not None:
            ids = {"job": entry.job.job, "user": entry.job.user}
            parts += _bound("setup/job", {"status": entry.job.status}, ids)
        if entry.charge is not None:
            ids = {"job": entry.charge.job, "user": entry.charge.user}
            if entry.charge.opening is not None:
                parts += _bound("setup/open", {"balance": entry.charge.opening}, ids)
            parts += _bound("setup/charge", {"amount": entry.charge.amount}, ids)
        yield Script(name=f"setup[{i}]", text=";\n".join(parts))


def _bound(name: str, given: Mapping[str, str | int], ids: Mapping[str, str]) -> list[str]:
    return [bind(p.text, given, ids) for p in pieces(name)]
