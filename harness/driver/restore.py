"""Puts the database back as it was installed: rows and sequences, in one round trip, writing only what has changed.

A row version says by its ``xmin`` whether it is newer than the last time everything was in place, and rows that are
gone show in the count. So a table that nobody has written to costs one scan and no writes. Of the others, those whose
rows fit into half a page are written anew, so that they also lie in the order in which they lay; in larger ones the
newer versions go and the remembered rows that are missing come back. Relations that did not exist then are dropped.

The copies are temporary tables, and the work is one function of the session, with its plans kept: nothing of it is
seen in the person's schema. That session is one of its own, because no trigger may fire in it, foreign keys' included,
and to say so of a session throws its plans away (three tables: 0.13 ms without, 0.46 ms with).
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import pq

from harness.db import connect, one_line
from harness.driver.restore_catalog import Copy, find_counters, find_tables, make_copy
from harness.driver.restore_sql import function_sql
from harness.errors import DriverError
from harness.patience import Patience

_APPLICATION = "refund-harness restorer"
_BOUND_S = 90.0
"""More than the session's own timeout, which a server that was stopped does not keep."""
_SESSION = b"\
SET lock_timeout = '500ms'; SET statement_timeout = '60s'; SET plan_cache_mode = force_generic_plan; \
SET synchronize_seqscans = off"
_MAY_BE_REPLICA = """SELECT rolsuper OR (
  has_parameter_privilege(current_user, 'session_replication_role', 'SET'))
FROM pg_roles WHERE rolname = current_user"""
_MAY_BE_REPLICA_14 = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
_FIRST = "3"
"""The first transaction of a server."""
_RESTORE = b"SELECT pg_temp.harness_restore(%s::text[], %s::xid[], %s::xid[])"
_ALL = b"harness_restore_all"
_RESTORE_ALL = "SELECT pg_temp.harness_restore(NULL::text[], $1::xid[], $2::xid[])"


class Restorer:
    """For the database that ``connection`` is connected to; works over a connection of its own, until `close` or until
    nobody holds it any more.

    ``tables``: names (without schema, or with: ``audit.log``) of those to care for, None: all. A partition counts as
    its root, too. Not put back: materialized views, what has changed in the schema itself (but for new relations,
    which go), and numbers that another session has set aside of a sequence with CACHE.

    Where the role may not switch triggers off for a session, the person's are switched off table by table, and foreign
    keys set the order; values of a unique column that rows of a referenced table have exchanged are then more than can
    be put back (a `DriverError`).
    """

    def __init__(self, connection: psycopg.Connection[Any], tables: Sequence[str] | None) -> None:
        self._names = None if tables is None else frozenset(tables)
        info = connection.info
        self._connection = connect(
            psycopg.conninfo.make_conninfo(info.dsn, password=info.password or None),
            application_name=_APPLICATION,
            bound_s=_BOUND_S,
        )
        self._finalizer = weakref.finalize(self, self._connection.close)
        self._copies: tuple[Copy, ...] = ()
        self._horizons: list[str] = []
        self._own: list[str] = []

    def remember(self) -> None:
        """Copy what there is now: what `restore` goes back to. Once; nobody may be writing. Raises `DriverError`."""
        try:
            self._remember()
        except psycopg.Error as e:
            raise _failed("remember the database's rows", e) from None

    def restore(self, tables: frozenset[str] | None) -> None:
        """Put back ``tables``, named as in the constructor (also ``sequence NAME``; with a table go the sequences that
        it draws from), None: all. Names that are unknown are passed over; what was written to the others is put back
        once they are named.

        Raises `DriverError`, and has changed nothing then, when somebody holds a lock that is in the way.
        """
        try:
            if full := self._restore(tables):
                self._repack(full)
        except psycopg.Error as e:
            raise _failed("put the database back", e) from None

    def _restore(self, tables: frozenset[str] | None) -> list[int]:
        if tables is None:
            horizon, transaction, *full = self._quickly().split()
        else:
            given = [list(tables), _array(self._horizons), _array(self._own)]
            row = self._connection.execute(_RESTORE, given, prepare=True).fetchone()
            assert row is not None
            horizon, transaction, *full = row[0].split()
        for i, copy in enumerate(self._copies):
            if tables is None or copy.table.tags & tables:
                self._horizons[i] = horizon
                if transaction != "0":  # else what the last restoration wrote is still in place
                    self._own[i] = transaction
        return [int(number) - 1 for number in full]

    def _quickly(self) -> str:
        """All tables, straight through libpq: this happens before every execution."""
        connection = self._connection.pgconn
        with Patience(connection.socket, _BOUND_S):
            result = connection.exec_prepared(_ALL, [_array(self._horizons).encode(), _array(self._own).encode()])
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise psycopg.errors.error_from_result(result)
        return (result.get_value(0, 0) or b"").decode()

    def _repack(self, full: Sequence[int]) -> None:
        """Write small tables anew from the beginning of their page, before dead rows make the server look for room
        here and there."""
        copies = [self._copies[i] for i in full]
        names = ", ".join(c.table.sql for c in copies)
        self._connection.execute(f"VACUUM (TRUNCATE false, PROCESS_TOAST false) {names}".encode())
        for i in full:
            self._horizons[i], self._own[i] = _FIRST, "0"  # every row counts as newer
        self._restore(frozenset(tag for c in copies for tag in c.table.tags))

    def close(self) -> None:
        """Let go of the copies. May be called again."""
        self._finalizer()

    def _remember(self) -> None:
        conn = self._connection
        conn.execute(_SESSION)
        query = _MAY_BE_REPLICA if conn.info.server_version >= 150000 else _MAY_BE_REPLICA_14
        replica = conn.execute(query.encode()).fetchone() == (True,)
        if replica:
            conn.execute("SET session_replication_role = replica")
        with conn.transaction():
            conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            [(horizon,)] = conn.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::xid::text").fetchall()
            tables = [t for t in find_tables(conn) if self._cares_for(t.tags)]
            counters = [c for c in find_counters(conn) if self._cares_for(c.tags)]
            self._copies = tuple(make_copy(conn, i, t) for i, t in enumerate(tables, 1))
            [(newest,)] = conn.execute("SELECT max(oid)::int8 FROM pg_class").fetchall()
            conn.execute(function_sql(self._copies, counters, newest, replica=replica).encode(), prepare=False)
            conn.execute(f"PREPARE {_ALL.decode()} AS {_RESTORE_ALL}".encode(), prepare=False)
        self._horizons = [horizon] * len(self._copies)
        self._own = ["0"] * len(self._copies)

    def _cares_for(self, tags: frozenset[str]) -> bool:
        return self._names is None or bool(tags & self._names)


def _array(numbers: Sequence[str]) -> str:
    return "{" + ",".join(numbers) + "}"


def _failed(what: str, error: psycopg.Error) -> DriverError:
    return DriverError(f"cannot {what}: {one_line(error.diag.message_primary or str(error))}")
