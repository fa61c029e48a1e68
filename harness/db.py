"""Connections and the few questions that every room asks of a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from harness.errors import TargetError, UserSqlError
from harness.model import Script
from harness.patience import Patience

# Errors that end the session, besides class 08: shut down, crashed, cannot connect now, database dropped, and the
# timeouts that terminate (idle session, idle in transaction, transaction).
_SESSION_ENDED = frozenset({"57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04"})

ANSWER_BOUND_S = 600.0
"""How long a server may take over anything: somebody's migrations can be long."""

# It says nothing about the SQL that met it: no disk, memory or connections left (53400 is a limit that somebody set),
# files that cannot be read, a server on its way down or up.
_TROUBLE = frozenset(
    {"53000", "53100", "53200", "53300", "58000", "58030", "57P01", "57P02", "57P03", "XX001", "XX002"}
)


class BoundedConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that is shut down when an answer takes longer than ``bound_s`` seconds."""

    bound_s = ANSWER_BOUND_S

    def wait(self, *generator: Any, **how: Any) -> Any:
        with Patience(self.pgconn.socket, self.bound_s):
            return super().wait(*generator, **how)


def connect(
    conninfo: str, *, application_name: str, autocommit: bool = True, bound_s: float = ANSWER_BOUND_S
) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection in UTF-8, lost when an answer takes longer than ``bound_s`` seconds. Raises `TargetError` with one
    line that holds no password."""
    try:
        made = BoundedConnection.connect(
            conninfo, autocommit=autocommit, application_name=application_name, client_encoding="utf8"
        )
        made.bound_s = bound_s
        return made
    except psycopg.Error as error:
        raise TargetError(f"cannot connect: {_without_password(one_line(str(error)), conninfo)}") from None


def backend_of(conn: psycopg.Connection[Any]) -> int:
    """The number of the server's process. Asked, not read off the connection's start: there a pooler says a number of
    its own."""
    row = conn.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


def apply_script(conn: psycopg.Connection[Any], script: Script) -> None:
    """Run all statements of ``script`` in one message and one implicit transaction, as `psql -c` does.

    ``conn`` must be in autocommit mode and outside a transaction, and it is left so. What the script sets in the
    session (search_path, role) stays set. Raises `UserSqlError` with ``file:line:column`` when the server names
    a position, else with ``file``; `TargetError` when the connection broke. A script with COPY from or to the client
    is a `UserSqlError` too, and closes ``conn``.
    """
    if "\0" in script.text:  # libpq would silently end the script there
        raise UserSqlError(_where(script, script.text.index("\0") + 1), "SQL cannot hold a NUL character")
    try:
        # Bytes without parameters travel by the simple query protocol; prepare=False because psycopg would otherwise
        # try to prepare, in its fifth run, what cannot be prepared: several statements at once.
        conn.cursor().execute(script.text.encode(), prepare=False)
    except psycopg.Error as error:
        if conn.closed:
            raise TargetError(f"connection lost while running {script.name}: {one_line(str(error))}") from error
        if is_trouble(error.sqlstate):
            _end_transaction(conn)
            raise TargetError(f"the server failed at {script.name}: {one_line(str(error))}") from error
        if conn.info.transaction_status is TransactionStatus.ACTIVE:
            conn.close()  # the server waits for rows that will never come
            raise UserSqlError(script.name, "COPY FROM stdin or TO stdout in a script: use INSERT instead") from error
        _end_transaction(conn)
        raise _user_error(script, error) from error
    if _end_transaction(conn):
        raise UserSqlError(script.name, "opens a transaction and never ends it: add COMMIT")


def version_of(conn: psycopg.Connection[Any]) -> str:
    """The server's: ``17.5``, ``18beta1``."""
    [(version,)] = conn.execute("SHOW server_version").fetchall()
    return str(version).split()[0]


def blocking_pids(conn: psycopg.Connection[Any], pid: int) -> tuple[int, ...]:
    """Backends that keep backend ``pid`` waiting: for a lock, or (READ ONLY DEFERRABLE) for a safe snapshot.

    Ascending, each once; 0 stands for a prepared transaction.
    """
    row = conn.execute("SELECT pg_blocking_pids(%(pid)s) || pg_safe_snapshot_blocking_pids(%(pid)s)", {"pid": pid})
    return tuple(sorted({blocker for (pids,) in row for blocker in pids}))


def is_connection_loss(sqlstate: str | None) -> bool:
    """Whether an error with this SQLSTATE means that the session is gone, so that the effect of what was in
    flight (a COMMIT above all) is unknown. None is what psycopg reports when libpq itself saw the connection end."""
    return sqlstate is None or sqlstate.startswith("08") or sqlstate in _SESSION_ENDED


def is_trouble(sqlstate: str | None) -> bool:
    """Whether an error with this SQLSTATE is the server's or the machine's, whatever the SQL was."""
    return sqlstate in _TROUBLE


@contextmanager
def answering() -> Iterator[None]:
    """For the harness's own work: what server or operating system refuse becomes a `TargetError` of one line."""
    try:
        yield
    except psycopg.Error as error:
        raise TargetError(f"the server failed: {one_line(error.diag.message_primary or str(error))}") from error
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        raise TargetError(f"this machine refused: {one_line(error.strerror or str(error))}{place}") from error


def one_line(text: str) -> str:
    """``text`` with every run of white space, line ends included, as one blank."""
    return " ".join(text.split())


def exact(value: Decimal) -> int | float:
    """``value`` as JSON can say it: whole numbers stay exact, whatever their size."""
    return int(value) if value == value.to_integral_value() else float(value)


def _end_transaction(conn: psycopg.Connection[Any]) -> bool:
    """Roll back what a script left open; whether there was anything."""
    if conn.info.transaction_status is TransactionStatus.IDLE:
        return False
    conn.rollback()
    return True


def _user_error(script: Script, error: psycopg.Error) -> UserSqlError:
    diag = error.diag
    message = one_line(diag.message_primary or str(error))
    if diag.message_detail:
        message += f" ({one_line(diag.message_detail)})"
    if diag.statement_position:
        return UserSqlError(_where(script, int(diag.statement_position)), message, sqlstate=error.sqlstate)
    if diag.context:
        message += f" [{one_line(diag.context)}]"
    return UserSqlError(script.name, message, sqlstate=error.sqlstate)


def _where(script: Script, position: int) -> str:
    """``file:line:column`` of the character at ``position``, counted from 1 in characters, as the server counts."""
    before = script.text[: position - 1]
    lines = before.split("\n")
    return f"{script.name}:{len(lines)}:{len(lines[-1]) + 1}"


def _without_password(message: str, conninfo: str) -> str:
    try:
        password = psycopg.conninfo.conninfo_to_dict(conninfo).get("password")
    except psycopg.Error:
        # libpq quotes pieces of a conninfo that it cannot parse, and a piece may be the password.
        return "the connection string is malformed"
    return message.replace(str(password), "***") if password else message
