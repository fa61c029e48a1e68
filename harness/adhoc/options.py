"""What `harness check` was asked for, read and split: nothing here needs a server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.adhoc.arguments import BETWEEN, CALL_AS
from harness.adhoc.position import UserText, located
from harness.adhoc.sources import Source, read_source, read_text
from harness.errors import UsageError, UserSqlError
from harness.sqltext import Piece, SqlSyntaxError, split, unsupported, variables
from harness.statements import ROLE

MAX_WORKERS = 8
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One `--call`, `--setup` or `--invariant`: its text, its statements, and how errors name it. ``number``: from 1,
    among those given. ``role``: of a call. ``name``: of an invariant. ``path``: the file it stands in."""

    text: UserText
    pieces: tuple[Piece, ...]
    number: int = 0
    role: str | None = None
    name: str = ""
    path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """All of it. ``calls``: one per worker, copies included."""

    sources: tuple[Source, ...]
    setups: tuple[Asked, ...]
    calls: tuple[Asked, ...]
    invariants: tuple[Asked, ...]

    @property
    def distinct_calls(self) -> tuple[Asked, ...]:
        """Each call once, however many workers make it."""
        seen = {(c.text.text, c.role): c for c in reversed(self.calls)}
        return tuple(reversed(seen.values()))


def read_request(
    *,
    sql: Sequence[str],
    call: Sequence[str],
    setup: Sequence[str] = (),
    role: str | None = None,
    workers: int | None = None,
    invariant: Sequence[str] = (),
    reserved: Sequence[str] = (),
) -> Request:
    """The options, read and checked. ``reserved``: names that no invariant may have.

    Raises `UsageError`, and `UserSqlError` with a position for bad SQL.
    """
    if not sql:
        raise UsageError("--sql is missing: which file or folder holds the function?")
    if not call:
        raise UsageError("--call is missing: which SQL shall the workers send?")
    calls = [_call(n, given, role) for n, given in enumerate(call, 1)]
    copies = workers if workers is not None else 2 if len(calls) == 1 else 1
    if copies * len(calls) > MAX_WORKERS:
        raise UsageError(f"{copies * len(calls)} workers: {MAX_WORKERS} at most (--call times --workers)")
    return Request(
        sources=tuple(_sources(sql)),
        setups=tuple(_asked(f"--setup {n}", given) for n, given in enumerate(setup, 1)),
        calls=tuple(calls * copies),
        invariants=tuple(_invariants(invariant, reserved)),
    )


def _sources(sql: Sequence[str]) -> Iterator[Source]:
    seen: set[Path] = set()
    for entry in sql:
        source = read_source(entry)
        for file in source.files:
            if file.path.resolve() in seen:
                raise UsageError(f"--sql {entry}: {file.name} is given twice")
            seen.add(file.path.resolve())
        yield source


def _call(number: int, given: str, role: str | None) -> Asked:
    own, joined, sql = given.rpartition(BETWEEN)
    if joined and not ROLE.fullmatch(own):
        raise UsageError(f"{CALL_AS}: {own!r} is not a role name (it stands before the SQL)")
    if role is not None and not ROLE.fullmatch(role):
        raise UsageError(f"--role: {role!r} is not a role name")
    asked = _asked(f"--call {number}", sql, number=number, role=own if joined else role)
    for piece in asked.pieces:
        if problem := unsupported(piece.text):
            raise UserSqlError(asked.text.where(piece.start), problem)
    return asked


def _invariants(given: Sequence[str], reserved: Sequence[str]) -> Iterator[Asked]:
    taken: set[str] = set()
    for entry in given:
        name, equals, sql = entry.partition("=")
        name = name.strip()
        if not equals or not _NAME.fullmatch(name):
            raise UsageError(f"--invariant takes NAME=SQL or NAME=@FILE (NAME: letters, digits, _), found {entry!r}")
        if name in reserved:
            raise UsageError(f"--invariant {name}: this is the name of a check")
        if name in taken:
            raise UsageError(f"--invariant {name}: this name is given twice")
        taken.add(name)
        asked = _asked(f"--invariant {name}", sql.strip(), name=name)
        if len(asked.pieces) != 1:
            where = asked.text.where(asked.pieces[1].start)
            raise UserSqlError(where, f"an invariant is one query, found {len(asked.pieces)}")
        yield asked


def _asked(option: str, given: str, *, number: int = 0, role: str | None = None, name: str = "") -> Asked:
    path = Path(given[1:]) if given.startswith("@") else None
    text = UserText(name=option, text=given) if path is None else UserText(name=str(path), text=read_text(path, option))
    with located(text):
        pieces = split(text.text)
        for variable, offset in variables(text.text).items():
            if variable not in ("run", "users", "jobs"):
                raise SqlSyntaxError(f"unknown variable :'{variable}' (no variables here but :'run')", offset)
    if not pieces:
        raise UserSqlError(text.where(0), "no SQL command here")
    return Asked(text=text, pieces=pieces, number=number, role=role, name=name, path=path)
