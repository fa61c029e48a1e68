"""The one transaction of an audit: a snapshot, read-only, with short patience for locks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from harness.db import ANSWER_BOUND_S, connect, one_line
from harness.errors import HarnessError, TargetError, UsageError
from harness.targets.protocol import Target

APPLICATION = "refund-harness audit"
_LOCK_TIMEOUT_S = 5
_CANCEL_S = 5.0
_SPARE_S = 30.0
"""A server that does not keep to its own timeout is left after so many seconds more."""


class TookTooLong(HarnessError):
    """A query ran into the audit's own timeout; the transaction goes on."""


class Reading:
    """What an audit asks through. Every query is one savepoint, so that one that takes too long loses only itself."""

    def __init__(self, connection: psycopg.Connection[Any], timeout_s: float) -> None:
        self.connection, self._timeout_s = connection, timeout_s

    def rows(self, query: str, values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of ``query``. Raises `TookTooLong`, `UsageError` (what may not be read), `TargetError`."""
        begin = time.monotonic()
        try:
            with self.connection.transaction(), self._ended(), self.connection.cursor(row_factory=dict_row) as cursor:
                return cursor.execute(query.encode(), values, prepare=False).fetchall()
        except psycopg.Error as error:
            # The state is the same when somebody cancels it, and the text is in the server's language.
            if error.sqlstate == "57014" and time.monotonic() - begin >= self._timeout_s:
                raise TookTooLong(f"took more than {self._timeout_s:g} s: raise --timeout") from None
            raise _in_words(error) from None

    @contextmanager
    def _ended(self) -> Iterator[None]:
        """When whoever asked goes (SIGTERM), the server must not work on for nobody: it would not notice for long."""
        try:
            yield
        except BaseException:
            if self.connection.info.transaction_status is TransactionStatus.ACTIVE:
                with suppress(psycopg.Error):
                    self.connection.cancel_safe(timeout=_CANCEL_S)
                self.connection.close()
            raise


@contextmanager
def reading(target: Target, timeout_s: float) -> Iterator[Reading]:
    """A session on the database that ``target`` names, in a read-only transaction at REPEATABLE READ that is rolled
    back at the end. It takes ACCESS SHARE locks on what it reads, as any SELECT does, and no other."""
    dsn = target.conninfo(target.maintenance_database)
    bound = max(ANSWER_BOUND_S, timeout_s + _SPARE_S)
    with connect(dsn, application_name=APPLICATION, autocommit=False, bound_s=bound) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.deferrable = False
        connection.prepare_threshold = None  # behind a pooler a prepared statement may be somebody else's
        try:
            for setting, value in _settings(timeout_s):
                connection.execute("SELECT set_config(%s, %s, true)", (setting, value))
            yield Reading(connection, timeout_s)
        except psycopg.Error as error:
            raise _in_words(error) from None
        finally:
            if not connection.closed:
                connection.rollback()


def _settings(timeout_s: float) -> Iterator[tuple[str, str]]:
    """For this transaction alone."""
    yield "statement_timeout", f"{int(timeout_s * 1000)}ms"
    yield "lock_timeout", f"{_LOCK_TIMEOUT_S}s"
    yield "idle_in_transaction_session_timeout", "60s"
    # Nobody's operator or function of the same name comes before PostgreSQL's own.
    yield "search_path", "pg_catalog, pg_temp"
    # What row security would hide is an error, and not a ledger that looks right.
    yield "row_security", "off"
    yield "timezone", "UTC"
    yield "jit", "off"


def _in_words(error: psycopg.Error) -> HarnessError:
    """What whoever runs the audit should do about it, in one line."""
    text = one_line(error.diag.message_primary or str(error))
    match error.sqlstate:
        case "42501":
            return UsageError(f"{text}: {_NEEDS}")
        case "55P03":
            return TargetError(f"{text}: somebody holds an exclusive lock (a migration?); audit again when it is done")
        case "40001" | "40P01":  # what only reads meets neither but on a replica
            return TargetError(_CONFLICT.format(text))
        case "22P02" | "42846" | "42883" | "42804" | "22003":
            return UsageError(f"the ledger's columns are not what the checks need ({text}): see --map")
    return TargetError(f"the server failed: {text}")


_NEEDS = (
    "an audit needs USAGE on the schema and SELECT on the three tables; with row security, to be their owner or to have"
    " BYPASSRLS"
)
_CONFLICT = (
    "{}: the replica had to replay what removes rows that the audit still reads; raise max_standby_streaming_delay or"
    " set hot_standby_feedback there, or audit the primary"
)
