"""What somebody's tests ask for, checked, as a scenario and what a scenario cannot say."""

from __future__ import annotations

import hashlib
import inspect
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from harness.adhoc.sources import read_source
from harness.db import apply_script
from harness.driver.actor import GIVEN as WORKERS_TAKE
from harness.driver.actor import Program, wanted
from harness.errors import UsageError, UserSqlError
from harness.model import LEVELS, Choice, Follow, Scenario, Script, Search, Worker
from harness.programs.invariants import GIVEN as INVARIANTS_TAKE
from harness.programs.invariants import Invariant
from harness.programs.stage import Piece
from harness.scenario.names import HISTORY_CHECKS
from harness.sqltext import SqlSyntaxError, split, unsupported
from harness.statements import ROLE, make_statement, unique_names

MAX_WORKERS = 8
LIMIT = 400
"""Executions with programs at most, where nobody says otherwise: each begins a process per program."""
Prepares = Callable[..., object]
Work = str | Callable[..., object]
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
_NOTHING = "SELECT 1 WHERE false"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """``workers``, ``invariants``, ``setup``: SQL or a function each. ``sql``: paths. ``about``: for messages."""

    name: str
    place: str
    workers: Mapping[str, Work]
    sql: Sequence[str | os.PathLike[str]] = ()
    migrate: Prepares | None = None
    setup: str | Prepares | None = None
    invariants: Mapping[str, str | Invariant]
    roles: Mapping[str, str]
    strategy: str = "auto"
    isolation: str | None = None
    expect_violation: tuple[str, ...] = ()


def scenario_of(asked: Asked) -> tuple[Scenario, Piece, Mapping[str, Program]]:
    """The scenario, what it cannot say, and the programs by the names of their workers. Raises `UsageError`."""
    if not asked.workers:
        raise UsageError("no workers: give calls=[…] or workers={name: SQL or function}")
    if len(asked.workers) > MAX_WORKERS:
        raise UsageError(f"{len(asked.workers)} workers: {MAX_WORKERS} at most")
    if asked.isolation is not None and asked.isolation not in LEVELS:
        raise UsageError(f"isolation {asked.isolation!r}: give one of {', '.join(LEVELS)}")
    if strange := sorted(asked.roles.keys() - asked.workers.keys()):
        raise UsageError(f"roles: there is no worker {strange[0]!r}")
    programs = {name: work for name, work in asked.workers.items() if not isinstance(work, str)}
    files = [f for path in asked.sql for f in read_source(os.fspath(path)).files]
    install = tuple(Script(name=f.name, text=f.text, file="" if f.converted else f.name) for f in files)
    scenario = Scenario(
        name=asked.name,
        about="",
        file=asked.place,
        text_hash=_hash(asked, install),
        install=install,
        setup=(),
        workers=tuple(_worker(asked, name, work) for name, work in asked.workers.items()),
        interleavings=(Search(strategy=asked.strategy, schedules=LIMIT if programs else None),),
        expect={},
        expect_violation=asked.expect_violation,
        invariants=tuple(_invariants(asked.invariants)),
        state=(),
        users=(),
        jobs=(),
        fresh_database=False,
        restore=True,
    )
    functions = {name: f for name, f in asked.invariants.items() if not isinstance(f, str)}
    _prepares(asked)
    piece = Piece(
        prepare=partial(_prepared, asked) if asked.migrate or asked.setup else None,
        invariants=functions,
        roles=tuple(dict.fromkeys(role for role in asked.roles.values() if role != "public")),
    )
    return scenario, piece, programs


def following(scenario: Scenario, choices: Sequence[Choice]) -> Scenario:
    """``scenario`` with nothing but these choices, as near as they can be taken."""
    return replace(scenario, interleavings=(Follow(choices=tuple(choices)),))


def _worker(asked: Asked, name: str, work: Work) -> Worker:
    if not _NAME.fullmatch(name):
        raise UsageError(f"worker {name!r}: a name has letters, digits and _")
    role = asked.roles.get(name)
    if role is not None and not ROLE.fullmatch(role):
        raise UsageError(f"worker {name}: {role!r} is not a role name")
    if not isinstance(work, str):
        _takes(f"worker {name}", work, WORKERS_TAKE)
        return Worker(name=name, statements=(), role=role, program=name, keep_going=True)
    try:
        pieces = split(work)
        for piece in pieces:
            if problem := unsupported(piece.text):
                raise UserSqlError(f"worker {name}", problem)
        statements = tuple(unique_names(make_statement(piece.text) for piece in pieces))
    except SqlSyntaxError as e:
        raise UserSqlError(f"worker {name}", str(e)) from None
    if not statements:
        raise UsageError(f"worker {name}: no SQL command")
    return Worker(name=name, statements=statements, role=role)


def _invariants(given: Mapping[str, str | Invariant]) -> Iterator[Script]:
    for name, invariant in given.items():
        if not _NAME.fullmatch(name) or name in HISTORY_CHECKS:
            why = "this is the name of a check" if name in HISTORY_CHECKS else "a name has letters, digits and _"
            raise UsageError(f"invariant {name!r}: {why}")
        if not isinstance(invariant, str):
            _takes(f"invariant {name}", invariant, INVARIANTS_TAKE)
            yield Script(name=name, text=_NOTHING)
            continue
        try:
            pieces = split(invariant)
        except SqlSyntaxError as e:
            raise UserSqlError(f"invariant {name}", str(e)) from None
        if len(pieces) != 1:
            raise UsageError(f"invariant {name}: one query, whose rows say what is broken; found {len(pieces)}")
        yield Script(name=name, text=pieces[0].text)


def _takes(what: str, function: object, given: Sequence[str]) -> None:
    """Raises `UsageError` unless somebody can call it."""
    if not callable(function):
        raise UsageError(f"{what}: SQL or a function, found {type(function).__name__}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise UsageError(f"{what}: a function that yields cannot be run")
    try:
        _, strange = wanted(function, given)
    except (TypeError, ValueError):
        raise UsageError(f"{what}: what it takes cannot be told; wrap it in a function") from None
    if strange:
        raise UsageError(f"{what}: nobody can give it {strange[0]!r}: it may take {', '.join(given)}")


def _prepares(asked: Asked) -> None:
    for name, function in (("migrate", asked.migrate), ("setup", asked.setup)):
        if function is not None and not isinstance(function, str):
            _takes(name, function, ("conn",))


def _prepared(asked: Asked, connection: psycopg.Connection[Any]) -> None:
    """Migrations, then the set-up: once, since before every execution all is put back as it was then."""
    for name, work in (("migrate", asked.migrate), ("setup", asked.setup)):
        if isinstance(work, str):
            apply_script(connection, Script(name=name, text=work))
        elif work is not None:
            try:
                work(connection)
            except psycopg.Error as e:
                said = e.diag.message_primary or str(e).strip().splitlines()[0]
                raise UserSqlError(name, said, sqlstate=e.sqlstate) from e
        if connection.info.transaction_status is not TransactionStatus.IDLE:
            raise UsageError(f"{name}: opens a transaction and never ends it: add COMMIT")


def _hash(asked: Asked, install: Sequence[Script]) -> str:
    """Of all text that can be had: functions that are called from here are not in it."""
    digest = hashlib.sha256()
    functions = [*asked.workers.values(), *asked.invariants.values(), asked.setup, asked.migrate]
    for text in (*(s.text for s in install), *map(_source, functions)):
        digest.update(f"{len(text)}:{text}".encode())
    return digest.hexdigest()


def _source(work: object) -> str:
    if work is None or isinstance(work, str):
        return work or ""
    try:
        return inspect.getsource(inspect.unwrap(getattr(work, "func", work)))  # type: ignore[arg-type]
    except (OSError, TypeError):
        return ""
