"""The controller's own connection: sets up, looks at locks and at the ledger, and never waits for a worker's lock."""

from __future__ import annotations

import json
import re
import select
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import pq
from psycopg.pq import abc

from harness.db import BoundedConnection, is_trouble
from harness.errors import DriverError, HarnessError, UserSqlError
from harness.model import Row, Script
from harness.patience import Patience

_WAITS = """
SELECT pid, pg_blocking_pids(pid) || pg_safe_snapshot_blocking_pids(pid) FROM unnest($1::int[]) AS pid
"""
_WAITED = """
SELECT coalesce(bool_and(waitstart < clock_timestamp() - make_interval(secs => $1::float8) AND EXISTS (
  SELECT FROM pg_stat_get_activity(pid) WHERE wait_event_type = 'Lock')), true)
FROM pg_locks WHERE pid = ANY($2::int[]) AND NOT granted
"""
_DEADLOCKS = "SELECT pg_stat_get_db_deadlocks(oid) FROM pg_database WHERE datname = current_database()"
_SESSION = "SELECT state, query_start::text FROM pg_stat_activity WHERE pid = %s"
_LOCKS = """
SELECT pid, locktype, coalesce(relation::regclass::text, '') AS relation, mode, granted
FROM pg_locks WHERE pid = ANY($1::int[]) AND locktype <> 'virtualxid' AND mode <> 'SIReadLock'
ORDER BY pid, locktype, relation, mode
"""
_BY_OID: LiteralString = """
SELECT coalesce(i.indrelid, c.oid)::regclass::text, CASE WHEN i.indrelid IS NULL THEN '' ELSE c.relname END,
  coalesce(i.indrelid, c.oid)::bigint
FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid WHERE c.oid = %s
"""
_BY_NAME: LiteralString = _BY_OID.replace(
    "c.oid = %s", "c.relname = %s AND c.relnamespace <> 'pg_catalog'::regnamespace"
)
_TABLES = """
SELECT format('%%I.%%I', n.nspname, c.relname) AS table FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_%%' ORDER BY 1
"""

BOUND_S = 90.0
"""How long any answer may take: more than the session's own timeout, which a server that was stopped does not keep."""
_NUMBER = re.compile(r"\d+")
COPYING = (pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH)
"""The server waits for rows, or sends them, and would go on."""


_Question = tuple[str, tuple[str, ...]]
"""A query and its parameters."""


class LedgerLockedError(DriverError):
    """A table of the ledger cannot be read now: a worker holds it exclusively."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Several queries as one prepared statement of rows (index, JSON array). ``parameters``: per ``$n`` the variable
    that it stands for."""

    names: tuple[str, ...]
    sql: str
    parameters: tuple[str, ...]

    @classmethod
    def of(cls, queries: Mapping[str, str], parameters: Sequence[str]) -> Reading:
        """``queries``: name → SQL in which the n-th of ``parameters`` stands as ``$n``."""
        parts = [
            f"SELECT {i}, coalesce(json_agg(to_json(q)), '[]') FROM ({sql}\n) q"
            for i, sql in enumerate(queries.values())
        ]
        return cls(names=tuple(queries), sql=" UNION ALL ".join(parts), parameters=tuple(parameters))


class Observer:
    """One autocommit connection with bounded waits. ``names`` decides nothing here: ids come in as text."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connect()

    def reconnect(self) -> None:
        """Everything anew: the server has taken the connection, and its figures begin at nought."""
        self.connection.close()
        self._connect()

    def _connect(self) -> None:
        try:
            self.connection = BoundedConnection.connect(
                self._conninfo,
                autocommit=True,
                application_name="refund-harness observer",
                client_encoding="utf8",
                prepare_threshold=2,
            )
            self.connection.bound_s = BOUND_S
        except psycopg.OperationalError as e:
            raise DriverError(f"cannot connect to the server: {str(e).strip().splitlines()[0]}") from None
        self._statements: dict[str, bytes] = {}
        self._prepared_so_far = 0
        self._known: dict[str, dict[str, tuple[str, tuple[Row, ...]]]] = {}
        """Per reading, and query of it, the last answer as text and as rows: most of it is the same the next time."""
        self._coming: list[_Question] = []
        self._foreseen: dict[_Question, list[tuple[str | None, ...]]] = {}
        self._deadlocks = self._count_deadlocks()
        self.connection.execute(
            # The same few statements again and again: plan them once.
            "SET lock_timeout = '50ms'; SET statement_timeout = '60s'; SET plan_cache_mode = force_generic_plan"
        )

    def close(self) -> None:
        self.connection.close()

    def waits(self, pids: Sequence[int]) -> Mapping[int, tuple[int, ...]]:
        """For each backend the backends it waits for (empty: it does not wait)."""
        found = self._quickly(_WAITS, _array(pids))
        return {int(pid): tuple(dict.fromkeys(map(int, _NUMBER.findall(blockers)))) for pid, blockers in found}

    def waited(self, pids: Sequence[int], seconds: float) -> bool:
        """Whether each of these backends that waits for a lock has been asleep over it for so long."""
        return self._quickly(_WAITED, str(seconds), _array(pids)) == [("t",)]

    def session(self, pid: int) -> tuple[str, str] | None:
        """(state, start of the latest query) of a backend; None when it is gone."""
        return next(iter(self._ask(_SESSION, pid)), None)

    def await_end(self, pid: int, *, bound_s: float) -> bool:
        """Wait until a backend is gone; False when it begins to wait for a lock instead."""
        deadline = time.monotonic() + bound_s
        while self.session(pid) is not None:
            if self.waits([pid])[pid]:
                return False
            if time.monotonic() > deadline:
                raise DriverError(f"backend {pid} did not end within {bound_s:.0f} s of its client's death")
            time.sleep(0.0005)
        return True

    def locks(self, pids: Mapping[int, str]) -> tuple[Row, ...]:
        """Locks that the given backends (pid → worker) hold or wait for."""
        return tuple(
            {"worker": pids[int(pid)], "locktype": kind, "relation": relation, "mode": mode, "granted": granted == "t"}
            for pid, kind, relation, mode, granted in self._quickly(_LOCKS, _array(pids))
        )

    def relation(self, named: int | str) -> tuple[str, str, int] | None:
        """(table, index or "", oid of the table) of a table or index, known by its oid or by its name without schema;
        None when there is none, or when several have that name."""
        found = self._ask(_BY_OID if isinstance(named, int) else _BY_NAME, named)
        return (found[0][0], found[0][1], found[0][2]) if len(found) == 1 else None

    def new_deadlocks(self) -> int:
        """Deadlocks in this database since the last call, as far as the sessions concerned have reported them."""
        before, self._deadlocks = self._deadlocks, self._count_deadlocks()
        return self._deadlocks - before

    def _count_deadlocks(self) -> int:
        try:
            [(count,)] = self._executed(_DEADLOCKS, ())  # what was foreseen stays so: it is no answer to a `read`
        except psycopg.Error as e:
            raise DriverError(f"the server does not answer the observer: {_line(e)}") from None
        return int(str(count))

    def cancel(self, pid: int) -> None:
        """Ask a backend to stop what it is doing."""
        self._ask("SELECT pg_cancel_backend(%s)", pid)

    def terminate(self, pid: int) -> None:
        """End a backend, and wait until it is gone (at most 5 s)."""
        self._ask("SELECT pg_terminate_backend(%s, 5000)", pid)

    def run(self, sql: str, name: str) -> None:
        """Run one or more commands as the owner. Raises `UserSqlError`."""
        self._foreseen = {}
        connection = self.connection.pgconn
        # Straight through libpq: this happens several times before every execution.
        with self._patience():
            result = connection.exec_(sql.encode())
        if result.status in COPYING:
            self.connection.close()  # the server waits for rows that will never come
            raise UserSqlError(name, "COPY from or to the client: use INSERT instead")
        if result.status in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE):
            raise self._refused(name, psycopg.errors.error_from_result(result))
        if connection.transaction_status != pq.TransactionStatus.IDLE:
            self.connection.rollback()
            raise UserSqlError(name, "opens a transaction and never ends it: add COMMIT")

    def read(self, reading: Reading, values: Mapping[str, str]) -> Mapping[str, tuple[Row, ...]]:
        """The rows of each query, all from one snapshot. Raises `UserSqlError`."""
        if not reading.names:
            self._coming, self._foreseen = [], {}
            return {}
        try:
            rows = self._prepared(reading.sql, *[values[p] for p in reading.parameters])
            found = {int(str(i)): str(text) for i, text in rows}
        except psycopg.errors.IndeterminateDatatype as e:
            hint = f"{_line(e)}: give the variable a type, as in :'name'::text"
            raise UserSqlError(", ".join(reading.names), hint, sqlstate=e.sqlstate) from None
        except psycopg.errors.LockNotAvailable:
            raise LedgerLockedError(f"{', '.join(reading.names)}: a worker holds an exclusive lock") from None
        except psycopg.Error as e:
            raise self._refused(", ".join(reading.names), e) from None
        known = self._known.setdefault(reading.sql, {})
        for i, name in enumerate(reading.names):
            if name not in known or known[name][0] != found[i]:
                known[name] = found[i], tuple(json.loads(found[i]))
        return {name: known[name][1] for name in reading.names}

    def foresee_locks(self, pids: Iterable[int]) -> None:
        """Ask for `locks` along with the next `read`: nobody will do anything between the two."""
        self._coming.append((_LOCKS, (_array(pids),)))

    def foresee_reading(self, reading: Reading, values: Mapping[str, str]) -> None:
        """The same for another `read`."""
        if reading.names:
            self._coming.append((reading.sql, tuple(values[p] for p in reading.parameters)))

    def all_tables(self) -> tuple[Script, ...]:
        """A state query for every table: how a ledger that we know nothing about is read."""
        return tuple(
            Script(name=row[0].removeprefix("public."), text=f"SELECT * FROM {row[0]} t ORDER BY to_jsonb(t)::text")
            for row in self.connection.execute(_TABLES.replace("%%", "%").encode()).fetchall()
        )

    def _quickly(self, query: str, *parameters: str) -> list[tuple[str, ...]]:
        try:
            return [tuple(str(value) for value in row) for row in self._prepared(query, *parameters)]
        except psycopg.Error as e:
            raise DriverError(f"the server does not answer the observer: {_line(e)}") from None

    def _prepared(self, query: str, *parameters: str) -> list[tuple[str | None, ...]]:
        """Rows as text, straight through libpq: these few queries are asked many times in every execution. Raises
        `psycopg.Error`."""
        if (known := self._foreseen.pop((query, parameters), None)) is not None:
            return known
        self._foreseen = {}
        if self._coming:
            questions, self._coming = [(query, parameters), *self._coming], []
            if answers := self._in_one_go(questions):
                self._foreseen = dict(zip(questions[1:], answers[1:], strict=True))
                return answers[0]
        return self._executed(query, parameters)

    def _executed(self, query: str, parameters: Sequence[str]) -> list[tuple[str | None, ...]]:
        connection = self.connection.pgconn
        values = [p.encode() for p in parameters]
        with self._patience():
            try:
                result = _checked(connection.exec_prepared(self._named(query), values))
            except psycopg.errors.InvalidSqlStatementName:  # psycopg has dropped it with its own, after a rollback
                del self._statements[query]
                result = _checked(connection.exec_prepared(self._named(query), values))
        return _rows(result)

    def _in_one_go(self, questions: Sequence[_Question]) -> list[list[tuple[str | None, ...]]]:
        """The answers to several questions for one round trip. None of them when one cannot be had: whoever asks for it
        by itself is told why."""
        connection = self.connection.pgconn
        with self._patience():
            names = [self._named(query) for query, _ in questions]
            connection.enter_pipeline_mode()
            try:
                for name, (_, parameters) in zip(names, questions, strict=True):
                    connection.send_query_prepared(name, [p.encode() for p in parameters])
                connection.pipeline_sync()
                results: list[abc.PGresult] = []
                while True:
                    while connection.is_busy():  # not by waiting inside libpq, or other threads would wait along
                        select.select([connection.socket], [], [])
                        connection.consume_input()
                    result = connection.get_result()
                    if result is not None and result.status == pq.ExecStatus.PIPELINE_SYNC:
                        break
                    if result is not None:
                        results.append(result)
                    elif connection.status != pq.ConnStatus.OK:
                        return []
            finally:
                if connection.status == pq.ConnStatus.OK:
                    connection.exit_pipeline_mode()
        if any(result.status != pq.ExecStatus.TUPLES_OK for result in results):
            self._statements.clear()  # psycopg may have dropped them with its own, after a rollback
            return []
        return [_rows(result) for result in results]

    def _patience(self) -> Patience:
        return Patience(self.connection.pgconn.socket, BOUND_S)

    def _named(self, query: str) -> bytes:
        """The prepared statement of ``query``."""
        if query not in self._statements:
            self._prepared_so_far += 1
            name = f"observer_{self._prepared_so_far}".encode()
            _checked(self.connection.pgconn.prepare(name, query.encode()))
            self._statements[query] = name
        return self._statements[query]

    def _ask(self, query: LiteralString, *parameters: Any) -> list[tuple[Any, ...]]:
        try:
            return self.connection.execute(query, parameters).fetchall()
        except psycopg.Error as e:
            raise DriverError(f"the server does not answer the observer: {_line(e)}") from None

    def _refused(self, name: str, error: psycopg.Error) -> HarnessError:
        """The error to raise for SQL of the user's; the session is then outside a transaction again."""
        if self.connection.closed:
            return DriverError(f"connection lost in {name}: {_line(error)}")
        if is_trouble(error.sqlstate):
            self.connection.rollback()
            return DriverError(f"the server failed in {name}: {_line(error)}")
        self.connection.rollback()
        return UserSqlError(name, _line(error), sqlstate=error.sqlstate)


def _checked(result: abc.PGresult) -> abc.PGresult:
    if result.status in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE):
        raise psycopg.errors.error_from_result(result)
    return result


def _rows(result: abc.PGresult) -> list[tuple[str | None, ...]]:
    columns = range(result.nfields)
    return [tuple(_text(result.get_value(row, c)) for c in columns) for row in range(result.ntuples)]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _array(pids: Iterable[int]) -> str:
    return "{" + ",".join(map(str, pids)) + "}"


def _line(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).strip().splitlines()[0]
