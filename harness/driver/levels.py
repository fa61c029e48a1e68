"""Isolation levels: how a worker's sessions get theirs, and which one a statement sets."""

from __future__ import annotations

import os
import re

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from harness.db import connect
from harness.errors import DriverError
from harness.model import StatementKind, Worker

_LEVEL = re.compile(
    r"isolation(?:\s+level\b|\s*=|\s+to\b)\W*(serializable|repeatable\s+read|read\s+committed|read\s+uncommitted)", re.I
)
_CONCERNS = re.compile(r"\s*(set|reset|discard|rollback|abort)\b", re.I)
_SETS = re.compile(r"\s*set\b", re.I)
_FOR_ALL = re.compile(
    r"\s*(set\s+session\s+characteristics\b|(set|reset)\s+(session\s+)?default_transaction_isolation\b|"
    r"(reset|discard)\s+all\b)",
    re.I,
)


def with_level(conninfo: str, level: str | None) -> str:
    """``conninfo`` of sessions whose transactions are at ``level`` (as the server says it) unless they set their own;
    None: at the server's default.

    As an option of the connection, not by SET: so it is also what RESET ALL and DISCARD ALL go back to, and a session
    that is used again begins with it.
    """
    if level is None:
        return conninfo
    given = conninfo_to_dict(conninfo).get("options") or os.environ.get("PGOPTIONS", "")
    escaped = level.replace(" ", r"\ ")
    return make_conninfo(conninfo, options=f"{given} -c default_transaction_isolation={escaped}".strip())


def require_level(conninfo: str, level: str) -> None:
    """Raise `DriverError` where sessions by ``conninfo``, which `with_level` made for ``level``, begin at another one:
    there are poolers that take options of a connection and drop them. What was seen would be said of a level that
    nothing ever ran at. Raises `TargetError` when there is no session."""
    with connect(conninfo, application_name="refund-harness worker") as session:
        [(found,)] = session.execute("SHOW default_transaction_isolation").fetchall()
    if found != level:
        begins = f"a session that was asked for {level.upper()} begins at {str(found).upper()}"
        why = "something between us and the server drops options of connections"
        raise DriverError(f"{begins}: {why} (pgbouncer does by ignore_startup_parameters)")


def level_in(sql: str) -> str | None:
    """The level that a BEGIN or a SET names, in lower case with single blanks; None: it names none."""
    found = _LEVEL.search(sql)
    return re.sub(r"\s+", " ", found[1].lower()) if found else None


def sets_level(sql: str) -> str | None:
    """The level that a SET names, whether for a transaction or for all that follow; None: it is no SET, or names
    none."""
    return level_in(sql) if _SETS.match(sql) else None


def concerns_session(sql: str) -> bool:
    """Whether a statement that is no BEGIN may be about levels, or roll back to a savepoint: few are."""
    return _CONCERNS.match(sql) is not None


def is_for_all(sql: str) -> bool:
    """Whether the level of all further transactions of the session is set, or set back."""
    return _FOR_ALL.match(sql) is not None


def sets_own_level(worker: Worker) -> bool:
    """Whether some statement of the worker's client names a level, which then counts and not the session's."""
    return any(
        (level_in if s.kind is StatementKind.BEGIN else sets_level)(s.sql) is not None for s in worker.statements
    )
