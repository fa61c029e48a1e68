"""What every worker holds, looked up after each turn, and since which step: for executions that are watched closely.

The lock table knows tables and advisory keys, but no rows: who has written or locked a row stands in the row itself, as
its xmax, which anybody may read. Reading waits for nobody: a table that is locked as a whole is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql

from harness.driver.client import Client
from harness.driver.observer import Observer
from harness.driver.phrases import Wanted
from harness.driver.recorder import Recorder
from harness.errors import DriverError
from harness.model import EventKind

_LARGEST = 1 << 20
"""Bytes of a table that is still read row by row."""
_LOCKS = """
SELECT pid, locktype, coalesce(relation, transactionid::text::bigint, classid)::bigint, page || ',' || tuple,
  objid::bigint, objsubid, mode, granted
FROM pg_locks WHERE pid = ANY(%s) AND locktype IN ('relation', 'tuple', 'transactionid', 'advisory')
  AND mode <> 'SIReadLock'
"""
_TABLE = """
SELECT n.nspname, c.relname, coalesce(
  (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_index i JOIN pg_attribute a
   ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey) WHERE i.indrelid = c.oid AND i.indisprimary),
  (SELECT array_agg(attname::text) FROM (SELECT attname FROM pg_attribute
   WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum LIMIT 1) first), '{}')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = %s AND c.relkind = 'r' AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND pg_relation_size(c.oid) <= %s
"""
# An xmax is a transaction's number or, of a lock that several may share, the number of a list of them. They are counted
# apart, and which it is can be told only by trying: a list that has been made yet has a positive age.
_ROWS = sql.SQL("""
SELECT t.ctid::text, m.xid::text::bigint, coalesce(m.mode, ''), json_build_object({key})::text FROM ONLY {table} t,
  LATERAL (SELECT t.xmax, NULL::text WHERE t.xmax = ANY({xids}) UNION ALL
    SELECT xid, mode FROM pg_get_multixact_members(CASE WHEN t.xmax <> '0' AND mxid_age(t.xmax) > 0 THEN t.xmax END)
  ) m (xid, mode) WHERE m.xid = ANY({xids})
""")
# The lock table forgets subtransactions that went well; what they have locked is held on. They stay in progress.
_RUNNING = """
SELECT x FROM unnest(%s::bigint[]) x, (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint >> 32) epoch (n)
WHERE pg_xact_status(((n << 32) | x)::text::xid8) = 'in progress'
"""
_STRENGTHS = {"keysh": "FOR KEY SHARE", "sh": "FOR SHARE", "fornokeyupd": "FOR NO KEY UPDATE", "forupd": "FOR UPDATE"}
_QUEUES = {
    "AccessShareLock": "FOR KEY SHARE",
    "RowShareLock": "FOR SHARE",
    "ExclusiveLock": "FOR NO KEY UPDATE",
    "AccessExclusiveLock": "FOR UPDATE",
}
"""The row lock for which a place in the queue is held in such a mode."""

Lock = tuple[str, tuple[int, ...], str]
"""A lock, as `Wanted` names it: kind (also "row", of which table's oid and ``tid`` are known), ident, ``tid``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """``turn``, ``step``, ``sql``: when it was taken. ``mode``: as the server names it; of a row that several share,
    FOR SHARE and the like, of other rows ""."""

    turn: int
    step: str
    sql: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What everybody held at the end of a turn. ``locks``: of a worker, by lock and mode. ``rows``: by table (oid) and
    ``tid``, the key of each row that somebody has locked so far, as columns. ``owners``: transaction → worker.
    ``waits``: worker → what the lock table says that it waits for."""

    locks: Mapping[tuple[str, Lock], Mapping[str, Held]]
    rows: Mapping[tuple[int, str], Mapping[str, Any]]
    owners: Mapping[int, str]
    waits: Mapping[str, Wanted]

    def of(self, worker: str, lock: Lock) -> Sequence[Held]:
        """The modes in which a worker holds a lock, the earliest first."""
        return sorted(self.locks.get((worker, lock), {}).values(), key=lambda held: held.turn)


class Holdings:
    """``now``: what was held when the last turn had ended."""

    def __init__(self, observer: Observer, recorder: Recorder, clients: Sequence[Client]) -> None:
        self._observer, self._recorder, self._clients = observer, recorder, clients
        self._tables: dict[int, tuple[str, str, list[str]] | None] = {}
        self._reading = 0
        """The table (oid) whose rows are being asked for; 0: none yet."""
        self.forget()

    def forget(self) -> None:
        """Nobody holds anything (any more: the server has crashed, and may give out the same numbers again)."""
        self.now = Holding(locks={}, rows={}, owners={}, waits={})

    def look(self) -> None:
        """To be called when a turn has ended. What cannot be read is left out."""
        names = {c.backend: c.name for c in self._clients}
        while not self._looked(names):
            pass

    def _looked(self, names: Mapping[int, str]) -> bool:
        """False when a table turned out not to be readable, as none will be asked for twice."""
        self._reading = 0
        try:
            # Whatever the database's default is: a serializable reader would take part in what it looks at.
            self._observer.connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY")
            self._look(names)
        except psycopg.DatabaseError as e:
            if not self._reading or self._observer.connection.closed:
                raise DriverError(f"the server does not answer the observer: {e.diag.message_primary or e}") from None
            self._tables[self._reading] = None
            return False
        finally:
            if not self._observer.connection.closed:
                self._observer.connection.execute("ROLLBACK")
        return True

    def _look(self, names: Mapping[int, str]) -> None:
        found: dict[tuple[str, Lock], dict[str, Held]] = {}
        owners, rows = dict(self.now.owners), dict(self.now.rows)
        waits: dict[str, Wanted] = {}
        tables, closed = set[int](), set[int]()
        for pid, kind, first, tid, second, third, mode, granted in self._observer.connection.execute(
            _LOCKS, (list(names),)
        ).fetchall():
            if kind == "relation":
                (closed if mode == "AccessExclusiveLock" else tables).add(first)
            ident: tuple[int, ...] = (first, second, third) if kind == "advisory" else (first,)
            kind = "transaction" if kind == "transactionid" else kind
            if not granted:
                waits[names[pid]] = Wanted(mode=mode, kind=kind, ident=ident, tid=tid or "")
            elif kind == "transaction":
                owners[first] = names[pid]
            else:
                self._keep(found, names[pid], (kind, ident, tid or ""), mode)
        running = [xid for (xid,) in self._observer.connection.execute(_RUNNING, (list(owners),)).fetchall()]
        for oid in sorted(tables - closed):
            for tid, xid, mode, key in self._locked_rows(oid, running):
                rows[oid, tid] = self._recorder.names.rename(json.loads(key))
                self._keep(found, owners[xid], ("row", (oid,), tid), _STRENGTHS.get(mode, ""))
        for (worker, (kind, ident, tid)), modes in found.items():
            if kind == "tuple" and worker in waits and waits[worker].kind == "transaction":
                # First in the queue for a row, it waits for the end of whoever has that.
                strength = _QUEUES[next(iter(modes))]
                waits[worker] = replace(waits[worker], table=ident[0], tid=tid, strength=strength)
        self.now = Holding(locks=found, rows=rows, owners=owners, waits=waits)

    def _keep(self, found: dict[tuple[str, Lock], dict[str, Held]], worker: str, lock: Lock, mode: str) -> None:
        before = self.now.locks.get((worker, lock), {})
        # A row changes from one owner to several, and back, while who owned it first goes on doing so.
        held = before.get(mode) or (next(iter(before.values()), None) if lock[0] == "row" else None)
        if held is None:
            begun = self._recorder.latest(worker, EventKind.INVOKE, EventKind.STEP)
            step, text = (begun.step, begun.sql) if begun is not None else ("", None)
            held = Held(turn=self._recorder.turn, step=step, sql=text or "", mode=mode)
        found.setdefault((worker, lock), {})[mode] = replace(held, mode=mode)

    def _locked_rows(self, oid: int, xids: list[int]) -> Iterator[tuple[str, int, str, str]]:
        """(tid, transaction, mode, key) of the rows of a table that these transactions have written or locked."""
        if oid not in self._tables:
            self._tables[oid] = self._observer.connection.execute(_TABLE, (oid, _LARGEST)).fetchone()
        table = self._tables[oid]
        if table is None or not xids:
            return
        self._reading = oid
        schema, name, columns = table
        key = sql.SQL(", ").join(
            sql.SQL("{}, t.{}").format(sql.Literal(column), sql.Identifier(column)) for column in columns
        )
        query = _ROWS.format(
            key=key,
            table=sql.Identifier(schema, name),
            xids=sql.SQL("{}::xid[]").format(sql.Literal("{" + ",".join(map(str, xids)) + "}")),
        )
        for tid, xid, mode, found in self._observer.connection.execute(query).fetchall():
            yield tid.strip("()"), xid, mode, found
