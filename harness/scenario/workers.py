"""Workers: statements named, macros expanded, transactions spelt out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness.model import Call, OnSigterm, Statement, StatementKind, Worker
from harness.scenario.attempts import TRANSIENT, with_attempts
from harness.scenario.macros import bind, call_statement, pieces
from harness.scenario.schema import StatementSpec, WorkerSpec
from harness.scenario.scripts import install_scripts
from harness.scenario.yamltext import Document, Path_
from harness.sqltext import SqlSyntaxError, split, unsupported
from harness.statements import RESERVED, ROLE, make_statement, unique_names


def build_worker(document: Document, name: str, spec: WorkerSpec, base: Path) -> Worker:
    """A worker of the file as a `Worker`. Raises `ScenarioError`."""
    where: Path_ = ("workers", name)
    if name in ("violation", "all"):
        raise document.error(where, f"{name!r} cannot name a worker")
    if spec.role is not None and not ROLE.fullmatch(spec.role):
        raise document.error((*where, "role"), f"{spec.role!r} is not a role name")
    inner = [
        statement
        for i, s in enumerate(spec.statements or spec.transaction or [])
        for statement in statements(document, (*where, "statements" if spec.statements else "transaction", i), s, base)
    ]
    if spec.transaction is not None:
        begin = f"BEGIN ISOLATION LEVEL {spec.isolation.upper()}" if spec.isolation else "BEGIN"
        inner = [
            Statement(name="begin", sql=begin, kind=StatementKind.BEGIN),
            *inner,
            Statement(name="commit", sql="COMMIT", kind=StatementKind.COMMIT),
        ]
    return Worker(
        name=name,
        statements=tuple(unique_names(with_attempts(document, where, spec, inner))),
        role=spec.role,
        on_sigterm=OnSigterm(spec.on_sigterm),
        keep_going=spec.keep_going or spec.on_error == "ignore",
        recovers_from=TRANSIENT if spec.on_error == "retry_transient" else ("",),
    )


def statements(document: Document, where: Path_, spec: StatementSpec, base: Path) -> Iterator[Statement]:
    """What the entry at ``where`` stands for. Raises `ScenarioError`."""
    if spec.name in RESERVED:
        raise document.error((*where, "name"), f"{spec.name!r} is a fault's name, not a step's")
    if spec.sql is not None:
        yield _own_sql(document, where, spec)
        return
    if spec.apply is not None:
        scripts = install_scripts(document, (*where, "apply"), spec.apply, base)
        text = "\n;\n".join(s.text for s in scripts)
        yield Statement(name=spec.name or "apply", sql=text, kind=StatementKind.DDL)
        return
    if spec.legacy_refund is not None:
        old = spec.legacy_refund
        for piece in pieces("variants/legacy_worker"):
            yield Statement(
                name=piece.name or "statement",
                sql=bind(piece.text, {"amount": old.amount, "error": old.error}, {"job": old.job, "user": old.user}),
                continue_if=piece.continue_if,
            )
        return
    call, given = _meaning(spec)
    yield replace(call_statement(call, given, spec.name), continue_if=spec.continue_if)


def _meaning(spec: StatementSpec) -> tuple[Call, dict[str, str | int]]:
    """What a macro means, and the values that are not ids."""
    if spec.refund is not None:
        r = spec.refund
        return Call(kind="refund", job=r.job, user=r.user, amount=r.amount), {"amount": r.amount, "error": r.error}
    if spec.charge is not None:
        c = spec.charge
        return Call(kind="charge", job=c.job, user=c.user, amount=c.amount), {"amount": c.amount}
    assert spec.complete is not None
    d = spec.complete
    return Call(kind="complete", job=d.job, user=d.user), {"story": d.story}


def _own_sql(document: Document, where: Path_, spec: StatementSpec) -> Statement:
    assert spec.sql is not None
    text = document.text_at(where, "sql")
    try:
        found = split(spec.sql)
    except SqlSyntaxError as e:
        raise document.error_in_text(text, e.offset, f"bad SQL: {e.message}") from None
    if not found:
        raise document.error(text, "a statement is one SQL command, found none")
    if len(found) > 1:
        message = f"a statement is one SQL command, found {len(found)}: list them one by one"
        raise document.error_in_text(text, found[1].start, message)
    sql = found[0].text
    if problem := unsupported(sql):
        raise document.error_in_text(text, found[0].start, problem)
    return make_statement(sql, name=spec.name, continue_if=spec.continue_if)
