"""Runs of corpus cases on a real server: serially, in one order of the calls, and in two or three connections at once.

Written without the harness's own driver and checks, which the corpus is there to judge.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from corpus_cases import Case, statements
from psycopg import sql
from psycopg.pq import TransactionStatus

from harness.db import connect
from harness.model import Script
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

Connection = psycopg.Connection[Any]
Ledger = list[tuple[str, list[str]]]
"""Table by table, its rows as texts, sorted; generated ids, times and sequence values are masked."""
Take = tuple[tuple[int, int], ...]
"""A serial order: which call (its index), and how many of its statements."""

_GENERATED = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^\"]*"
)
_TABLES = """
SELECT c.oid::regclass::text, coalesce((
  SELECT array_agg(a.attname::text)
  FROM pg_attribute a LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
  WHERE a.attrelid = c.oid AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%')), '{}')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' ORDER BY 1
"""
PAUSE = """
CREATE TABLE pauses (who integer);
CREATE FUNCTION pause() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO pauses VALUES (1);
  RETURN true;
END
$$;
CREATE FUNCTION pause_first() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF pg_try_advisory_xact_lock(4711) THEN
    INSERT INTO pauses VALUES (1);
  END IF;
  RETURN true;
END
$$;
"""
"""While the table `pauses` is held, a worker waits in `pause`, and only the first one in `pause_first`."""

_LEFT_BEHIND = """
SELECT 'advisory lock' FROM pg_locks WHERE locktype = 'advisory'
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL
SELECT state FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'
"""
_SETTLE_S = 120.0


@dataclass(slots=True)
class Told:
    """What one worker saw. ``taken``: how many statements took effect, from the first. ``failed``: an SQLSTATE."""

    taken: int = 0
    answers: list[Any] = field(default_factory=list)
    failed: str | None = None


class Bench:
    """A case on a server: fresh databases with its SQL installed and its set-up done.

    ``paused``: a piece of the case's SQL, and what stands in its place, which may call `pause` and `pause_first`.
    """

    def __init__(
        self, target: EmbeddedTarget, databases: Databases, case: Case, paused: tuple[str, str] | None = None
    ) -> None:
        self.case = case
        self._target = target
        self._databases = databases
        text = "\n" * case.line_offset + case.sql
        if paused is not None:
            assert text.count(paused[0]) == 1, f"{case.name}: {paused[0]!r} is not there once"
            text = text.replace(*paused) + PAUSE
        roles = [case.role] if case.role else []
        self._template = databases.template([Script(name=case.path.name, text=text)], roles=roles)
        self._serial: dict[Take, Ledger] = {}

    @contextmanager
    def database(self, *, set_up: bool = True) -> Iterator[tuple[str, Connection]]:
        """Its name and the owner's connection; dropped at the end."""
        name = self._databases.clone(self._template)
        try:
            with closing(connect(self._target.conninfo(name), application_name="corpus")) as conn:
                for text in self.case.setup if set_up else ():
                    conn.execute(text.encode())
                yield name, conn
        finally:
            self._databases.drop(name)

    def worker(self, database: str) -> Connection:
        conn = connect(self._target.conninfo(database), application_name="corpus worker")
        if self.case.role:
            conn.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self.case.role)))
        return conn

    def broken(self, conn: Connection) -> set[str]:
        """Invariants that have rows."""
        return {name for name, text in self.case.invariants.items() if conn.execute(text.encode()).fetchall()}

    def ran_serially(self, order: Sequence[int]) -> tuple[set[str], list[Told]]:
        """The checks that failed (``liveness``, invariants) and what each worker saw, in that order."""
        found: set[str] = set()
        told = []
        with self.database() as (name, conn):
            for index in order:
                with closing(self.worker(name)) as session:
                    told.append(play(session, statements(self.case.calls[index])))
                    if left_behind(conn):
                        found.add("liveness")
            return found | self.broken(conn), told

    def serial_ledger(self, take: Take) -> Ledger:
        """The ledger after this serial order of (parts of) calls; remembered."""
        if take not in self._serial:
            with self.database() as (name, conn):
                for index, count in take:
                    with closing(self.worker(name)) as session:
                        play(session, statements(self.case.calls[index])[:count])
                self._serial[take] = ledger(conn)
        return self._serial[take]

    def ran_at_once(self, hold: str | None) -> set[str]:
        """The checks that failed in one concurrent run of all calls, by names of `Case.verdicts`.

        ``hold``: a table that a bystander keeps locked against writers while the workers start, each when the one
        before it waits or has ended, so that all have read before the first one writes. None: they start together.
        """
        with self.database() as (name, conn), ExitStack() as stack:
            sessions = [stack.enter_context(closing(self.worker(name))) for _ in self.case.calls]
            told: list[Told | None] = [None for _ in sessions]
            start = threading.Barrier(len(sessions) if hold is None else 1)

            def run(index: int) -> None:
                start.wait(_SETTLE_S)
                told[index] = play(sessions[index], statements(self.case.calls[index]))

            threads = [threading.Thread(target=run, args=(i,)) for i in range(len(sessions))]
            if hold is not None:
                conn.execute("BEGIN")
                conn.execute(sql.SQL("LOCK TABLE {} IN SHARE MODE").format(sql.SQL(hold)))
            for thread, session in zip(threads, sessions, strict=True):
                thread.start()
                if hold is not None:
                    _wait_until_settled(conn, session, thread)
            if hold is not None:
                conn.execute("COMMIT")
            for thread in threads:
                thread.join(_SETTLE_S)
            ended = [each for each in told if each is not None]
            if len(ended) < len(threads):
                return {"liveness"}
            found = self.broken(conn)
            if left_behind(conn):
                found.add("liveness")
            if any("40P01" in f"{each.failed} {each.answers}" for each in ended):
                found.add("deadlock")
            if not self._is_serial(ledger(conn), ended):
                found.add("serial_equivalence")
            return found

    def _is_serial(self, seen: Ledger, told: Sequence[Told]) -> bool:
        took = [(index, each.taken) for index, each in enumerate(told) if each.taken]
        return any(self.serial_ledger(order) == seen for order in itertools.permutations(took))


def play(conn: Connection, texts: Sequence[str]) -> Told:
    """Send the statements one by one; the first error ends it (after ROLLBACK), as it ends a client."""
    told = Told()
    try:
        for number, text in enumerate(texts, start=1):
            cursor = conn.execute(text.encode())
            told.answers.append(cursor.fetchall() if cursor.description else None)
            if conn.info.transaction_status is TransactionStatus.IDLE:
                told.taken = number
    except psycopg.Error as error:
        told.failed = error.sqlstate or "connection lost"
        if conn.info.transaction_status is not TransactionStatus.IDLE:
            conn.rollback()
    return told


def tables(conn: Connection) -> dict[str, list[str]]:
    """Each table, quoted as SQL needs it, with the columns that a sequence fills."""
    return dict(conn.execute(_TABLES).fetchall())


def ledger(conn: Connection) -> Ledger:
    """The committed rows of all tables."""
    found = []
    for table, generated in tables(conn).items():
        rows = conn.execute(sql.SQL("SELECT to_jsonb(t) FROM {} t").format(sql.SQL(table))).fetchall()
        masked = [{k: "generated" if k in generated else v for k, v in row.items()} for (row,) in rows]
        found.append((table, sorted(_GENERATED.sub("generated", json.dumps(row, sort_keys=True)) for row in masked)))
    return found


def left_behind(conn: Connection) -> list[Any]:
    """Advisory locks and open transactions of other sessions, once all workers have ended."""
    return conn.execute(_LEFT_BEHIND).fetchall()


def _wait_until_settled(conn: Connection, session: Connection, thread: threading.Thread) -> None:
    """Until the worker waits for a lock or has ended."""
    deadline = time.monotonic() + _SETTLE_S
    waits = "SELECT FROM pg_locks WHERE pid = %s AND NOT granted"
    while thread.is_alive() and conn.execute(waits, [session.info.backend_pid]).fetchone() is None:
        assert time.monotonic() < deadline, "a worker neither waits nor ends"
        time.sleep(0.001)
