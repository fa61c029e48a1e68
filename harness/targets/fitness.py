"""Can a server that is not ours carry a run? Each refusal is one line, before anything is made there."""

from __future__ import annotations

from typing import Any

import psycopg

from harness.db import backend_of, connect
from harness.errors import TargetError, UsageError
from harness.targets.protocol import Target

OLDEST = 14
_APPLICATION = "refund-harness look"
_TURNS = 8
"""So often the sessions behind two connections are looked at."""


def require_fit(target: Target, conn: psycopg.Connection[Any]) -> None:
    """``conn``: an autocommit connection to ``target``. Raises `UsageError` for a server that is too old, that takes no
    writes (a hot standby), or that is reached through a pooler which keeps no session."""
    where = target.description
    if conn.info.server_version < OLDEST * 10000:
        raise UsageError(f"{where} is PostgreSQL {target.server_version}: {OLDEST} is the oldest that will do")
    if conn.execute("SELECT pg_catalog.pg_is_in_recovery()").fetchone() == (True,):
        raise UsageError(f"{where} is a standby, which takes no writes: name its primary")
    if _changes_backends(target, conn):
        raise UsageError(
            f"{where} is behind a pooler that gives each transaction another session: "
            "name the server itself, or a pooler in session mode"
        )


def _changes_backends(target: Target, conn: psycopg.Connection[Any]) -> bool:
    """Whether one connection is not one backend.

    A pooler that hands out its sessions in turn shows in two transactions of one connection; one that hands out the
    latest again, or has a single one, gives a second connection the backend that the first still thinks its own: not
    always at once, since it may have an answer on its way before it has the session back.
    """
    before, again = backend_of(conn), backend_of(conn)
    if before != again:
        return True
    try:
        second = connect(target.conninfo(target.maintenance_database), application_name=_APPLICATION)
    except TargetError:  # no room for another: whoever needs one will say so
        return False
    with second as other:
        try:
            for _ in range(_TURNS):
                with other.transaction():
                    if backend_of(other) == before or backend_of(conn) != before:
                        return True
                if backend_of(conn) != before:  # the one that the other has just given back
                    return True
            return False
        except psycopg.errors.ProtocolViolation:  # the pooler gives each statement another session, and says so
            return True
