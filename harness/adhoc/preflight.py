"""Before any schedule: does it install, and does every call work when it is alone?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg

from harness.adhoc.options import Asked, Request
from harness.adhoc.position import UserText
from harness.adhoc.stubs import Prepared
from harness.db import apply_script, one_line
from harness.errors import TargetError, UsageError, UserSqlError
from harness.model import MAKE_PUBLIC_ROLE, PUBLIC_ROLE, Script
from harness.sqltext import Template, quoted, split

Connect = Callable[[str], psycopg.Connection[Any]]
ALONE_S = 30
"""How long a call may take that nobody disturbs."""
_VALUES = {"run": "0", "users": "{}", "jobs": "{}"}
_WRITTEN_WRONG = ("42", "3F")
"""Classes of SQLSTATEs that no change of circumstances cures: unknown names, syntax, privileges; unknown schemas."""


class Place(Protocol):
    """Where databases are made."""

    def template(self, scripts: Sequence[Script]) -> str: ...
    def clone(self, template: str) -> str: ...
    def drop(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """A call that ended in an error, alone."""

    sqlstate: str
    message: str
    where: str


def preflight(request: Request, prepared: Prepared, place: Place, connect: Connect, *, home: str) -> tuple[str, ...]:
    """Install, set up, and make each call alone, in databases of their own; notices for people.

    ``connect``: an autocommit connection to a database by its name. ``home``: on a server of ours one that stays, else
    "". Raises `UserSqlError` for SQL that cannot be installed, set up or asked (an invariant), and for a call that
    fails in a way that no schedule can change.
    """
    # On another's server nothing makes roles, and what somebody else makes there meanwhile is theirs.
    tidied = _without_new_roles(home, connect) if home else nullcontext()
    with tidied as new_roles, _template(prepared.scripts, place, connect, new_roles) as template:
        notices: list[str] = []
        for number, call in enumerate(request.distinct_calls):
            with _clone(place, template) as name:
                with connect(name) as conn:
                    _set_up(request, conn)
                    if number == 0:
                        notices += _broken_before(request, conn)
                with connect(name) as conn:
                    failure = _alone(call, conn)
            if failure is None:
                continue
            said = f"call {call.number} fails even alone: {failure.sqlstate} {failure.message}"
            if failure.sqlstate.startswith(_WRITTEN_WRONG):
                raise UserSqlError(failure.where, said, sqlstate=failure.sqlstate)
            notices.append(said)
    return tuple(notices)


@contextmanager
def _template(
    scripts: Sequence[Script], place: Place, connect: Connect, new_roles: Callable[[], set[str]] | None
) -> Iterator[str]:
    """A database with ``scripts`` installed. On a server of ours it stays there for the run, which needs the same one,
    unless there are ``new_roles``: those could not go while it is there."""
    try:
        name = place.template(scripts)
    except UserSqlError as error:
        with _clone(place, place.template(())) as empty:
            for script in scripts:
                with connect(empty) as conn:
                    _locate(conn, script)
        raise error from None
    try:
        yield name
    finally:
        if new_roles is None or new_roles():
            place.drop(name)


def _locate(conn: psycopg.Connection[Any], script: Script) -> None:
    """Install ``script``; an error without a position gets that of the statement that failed."""
    try:
        apply_script(conn, script)
    except UserSqlError as error:
        if error.where != script.name:
            raise
        text = UserText(name=script.name, text=script.text)
        for piece in split(script.text):
            if failure := _sent(conn, text, piece.text, piece.start):
                raise UserSqlError(failure.where, failure.message, sqlstate=failure.sqlstate) from None
        raise


def _set_up(request: Request, conn: psycopg.Connection[Any]) -> None:
    for asked in request.setups:
        if failure := _sent(conn, asked.text, asked.text.text, 0):
            raise UserSqlError(failure.where, failure.message, sqlstate=failure.sqlstate)
        if conn.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE:
            raise UserSqlError(asked.text.name, "opens a transaction and never ends it: add COMMIT")


def _broken_before(request: Request, conn: psycopg.Connection[Any]) -> Iterator[str]:
    for asked in request.invariants:
        [piece] = asked.pieces
        if failure := _sent(conn, asked.text, piece.text, piece.start):
            raise UserSqlError(failure.where, failure.message, sqlstate=failure.sqlstate)
        try:
            query = Template(piece.text).render(_VALUES)
            [(count,)] = conn.execute(f"SELECT count(*) FROM ({query}\n) q".encode()).fetchall()
        except psycopg.Error:
            raise UserSqlError(asked.text.where(piece.start), "an invariant is one query that gives rows") from None
        if count:
            yield f"invariant {asked.name} is broken before any call ({count} row{'s' if count > 1 else ''})"


def _alone(call: Asked, conn: psycopg.Connection[Any]) -> _Failure | None:
    if call.role is not None:
        role = PUBLIC_ROLE if call.role == "public" else call.role
        if call.role == "public":
            conn.execute(MAKE_PUBLIC_ROLE.encode())
        where = f"call {call.number}"
        if failure := _sent(conn, UserText(name=where, text=""), f"SET ROLE {quoted(role)}", 0):
            raise UserSqlError(where, failure.message, sqlstate=failure.sqlstate)
    conn.execute(f"SET statement_timeout = '{ALONE_S}s'".encode())
    for piece in call.pieces:
        failure = _sent(conn, call.text, piece.text, piece.start)
        if failure is not None and failure.sqlstate == "57014":
            raise UsageError(f"{call.text.name}: does not end within {ALONE_S} s even alone")
        if failure is not None:
            return failure
    return None


def _sent(conn: psycopg.Connection[Any], text: UserText, sql: str, start: int) -> _Failure | None:
    """Send one statement of ``text`` that begins at ``start``; None when it was answered."""
    try:
        conn.cursor().execute(Template(sql).render(_VALUES).encode(), prepare=False)
    except psycopg.Error as e:
        if conn.closed:
            raise TargetError(f"connection lost in {text.name}: {one_line(str(e))}") from None
        diag = e.diag
        message = one_line(diag.message_primary or str(e))
        for more in (diag.message_detail, diag.message_hint):
            message += f" ({one_line(more)})" if more else ""
        position = int(diag.statement_position) - 1 if diag.statement_position else 0
        if diag.context:
            message += f" [{one_line(diag.context)}]"
        return _Failure(sqlstate=e.sqlstate or "XX000", message=message, where=text.where(start + position))
    return None


@contextmanager
def _clone(place: Place, template: str) -> Iterator[str]:
    name = place.clone(template)
    try:
        yield name
    finally:
        place.drop(name)


@contextmanager
def _without_new_roles(home: str, connect: Connect) -> Iterator[Callable[[], set[str]]]:
    """Roles outlive databases: those that the person's SQL makes here go again, so that it can make them anew. Yields
    what tells which there are."""
    with connect(home) as conn:
        before = _roles(conn)

        def new() -> set[str]:
            return _roles(conn) - before

        try:
            yield new
        finally:
            for role in sorted(new()):
                _drop_role(conn, role)


def _drop_role(conn: psycopg.Connection[Any], role: str) -> None:
    try:
        conn.execute(f"DROP ROLE {quoted(role)}".encode())
    except psycopg.Error as e:
        said = one_line(e.diag.message_primary or str(e))
        raise UsageError(f"role {role}, which the SQL makes, cannot be dropped after the trial: {said}") from None


def _roles(conn: psycopg.Connection[Any]) -> set[str]:
    return {name for (name,) in conn.execute("SELECT rolname FROM pg_roles").fetchall()}
