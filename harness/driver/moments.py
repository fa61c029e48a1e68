"""What every session does, waits for and holds right after a turn, in names: nothing of it is a number of this run."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import psycopg

from harness.driver.client import Client, State
from harness.driver.cycles import numbers_of, shown
from harness.driver.holdings import Holdings
from harness.driver.locks import Locks, Waits
from harness.driver.observer import Observer
from harness.driver.phrases import strength_in
from harness.driver.plan import Plan
from harness.driver.recorder import Recorder
from harness.errors import DriverError
from harness.model import LIFE_KEY, HeldLock, Json, Moment, SessionMoment, SessionState

_BOUND_S = 1.0
"""How long a waiter may take from one wait to its next; what is seen then stands."""
_ALIVE = "SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s)"
# Not the keys of gates, nor virtual transactions, nor what only SERIALIZABLE calls a lock; of relations none of the
# catalog, and no index: whether a statement locks all of a table's or only those that it uses depends on whether its
# plan was there already.
_LOCKS = f"""
SELECT l.pid, l.locktype, l.mode, l.granted, coalesce(c.oid, 0)::bigint, l.page || ',' || l.tuple,
  l.transactionid::text, l.classid::bigint, l.objid::bigint, l.objsubid
FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE l.pid = ANY(%s) AND l.mode <> 'SIReadLock' AND CASE l.locktype
  WHEN 'relation' THEN c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'harness')
  WHEN 'advisory' THEN NOT (l.objsubid = 2 AND l.mode = 'ShareLock'
    AND (l.classid::bigint = l.pid OR (l.classid::bigint, l.objid::bigint) = ({LIFE_KEY[0]}, {LIFE_KEY[1]})))
  WHEN 'virtualxid' THEN false
  WHEN 'tuple' THEN true
  WHEN 'transactionid' THEN true
  ELSE NOT l.granted END ORDER BY l.classid, l.objid, l.objsubid
"""
_TABLE = """
SELECT CASE WHEN n.nspname = 'public' THEN '' ELSE n.nspname || '.' END || c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s
"""
_MADE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-|\d{4}-\d\d-\d\d[T ]\d\d:")
_KINDS = {"relation": "table", "tuple": "row", "transactionid": "transaction"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lock:
    """A row of the lock table. ``table``: oid (0: none). ``tid``: of a row. ``transaction``: its number."""

    pid: int
    kind: str
    mode: str
    granted: bool
    table: int
    tid: str
    transaction: str
    key: tuple[int, int, int]


class Moments:
    """Looks at the sessions of one execution. It asks the lock table, for which nobody waits; ``held`` knows rows, if
    it has looked at the same turn."""

    def __init__(
        self,
        plan: Plan,
        observer: Observer,
        recorder: Recorder,
        locks: Locks,
        held: Holdings,
        clients: Sequence[Client],
    ) -> None:
        self._observer, self._recorder, self._locks = observer, recorder, locks
        self._plan, self._held, self._clients = plan, held, clients
        self._keys: dict[tuple[int, int, int], str] = {}
        self._tables: dict[int, str] = {}

    def look(self) -> Moment:
        """To be called when a turn has ended: whoever has not, is held or waits. Raises `DriverError`."""
        waits = self._settled_waits()
        backends = {c.backend: c.name for c in self._clients}
        alive = {pid for (pid,) in self._asked(_ALIVE, list(backends))}
        found = [
            _Lock(
                pid=pid, kind=kind, mode=mode, granted=granted, table=table, tid=tid or "",
                transaction=transaction or "", key=(first, second, words),
            )
            for pid, kind, mode, granted, table, tid, transaction, first, second, words
            in self._asked(_LOCKS, list(backends))
        ]  # fmt: skip
        owners = {lock.transaction: backends[lock.pid] for lock in found if lock.granted}
        return Moment(
            turn=self._recorder.turn,
            sessions=tuple(
                SessionMoment(
                    worker=c.name,
                    state=_state(c, alive=c.backend in alive),
                    at="" if c.over else c.step,
                    waits_for=tuple(o.name for o in self._clients if o.backend in waits.get(c.backend, ())),
                    locks=self._locks_of(c.name, [lock for lock in found if lock.pid == c.backend], owners),
                )
                for c in self._clients
            ),
        )

    def _settled_waits(self) -> Waits:
        """One that has come to the head of a queue may be on its way from its place there to what it waits for."""
        deadline = time.monotonic() + _BOUND_S
        while True:
            waits = self._locks.waits()
            if all(waits[c.backend] for c in self._clients if c.state is State.BLOCKED) or time.monotonic() > deadline:
                return waits
            time.sleep(0.0002)

    def _locks_of(self, worker: str, found: Sequence[_Lock], owners: Mapping[str, str]) -> tuple[HeldLock, ...]:
        locks = {
            HeldLock(kind=_KINDS.get(k.kind, k.kind), on=self._on(k, owners), mode=k.mode, granted=k.granted)
            for k in _with_rows(found)
        }
        for (owner, (kind, ident, tid)), modes in self._held.now.locks.items():
            if owner == worker and kind == "row":
                first = min(modes.values(), key=lambda held: (held.turn, held.mode))
                mode = first.mode or strength_in(first.sql)
                locks.add(HeldLock(kind=kind, on=self._row(ident[0], tid), mode=mode, granted=True))
        return tuple(sorted(locks, key=lambda lock: (lock.granted, lock.kind, lock.on, lock.mode)))

    def _on(self, lock: _Lock, owners: Mapping[str, str]) -> str:
        match lock.kind:
            case "transactionid":
                return owners.get(lock.transaction, "")
            case "advisory":
                return self._key(lock.key)
            case "tuple":
                return self._row(lock.table, lock.tid)
        return self._table(lock.table)

    def _row(self, table: int, tid: str) -> str:
        name, key = self._table(table), self._held.now.rows.get((table, tid), {})
        if not key or any(self._made_up(value) for value in key.values()):
            return name
        return f"{name} ({shown(key)})"

    def _made_up(self, value: Json) -> bool:
        """Whether it may be an id or a time that the server made, which is another one in every execution. (Sequences
        are put back.)"""
        return _MADE.match(str(value)) is not None and not any(str(value) in sql for sql in self._given)

    @cached_property
    def _given(self) -> tuple[str, ...]:
        """All SQL that the execution was given. Not before it is asked for: not every execution is looked at."""
        return (*(sql for _, sql in self._plan.setup), *(s.sql for w in self._plan.workers for s in w.statements))

    def _table(self, oid: int) -> str:
        if oid not in self._tables:
            self._tables[oid] = next((name for (name,) in self._asked(_TABLE, oid)), "")
        return self._tables[oid]

    def _key(self, key: tuple[int, int, int]) -> str:
        """An advisory key, as it was given; by its number among them where it may be made from a fresh id."""
        if self._plan.names.users or self._plan.names.jobs:
            return self._keys.setdefault(key, f"#{len(self._keys) + 1}")
        return ", ".join(map(str, numbers_of(key)))

    def _asked(self, query: str, parameter: Sequence[int] | int) -> list[tuple[Any, ...]]:
        try:
            return self._observer.connection.execute(query.encode(), (parameter,)).fetchall()
        except psycopg.Error as e:
            raise DriverError(f"the server does not answer the observer: {e.diag.message_primary or e}") from None


def _state(client: Client, *, alive: bool) -> SessionState:
    if client.state is State.DEAD or not alive or not client.process.backend:
        return SessionState.GONE
    if client.state is State.ENDED:
        return SessionState.ENDED
    if client.state is State.BLOCKED:
        return SessionState.WAITING
    return SessionState.ACTIVE if client.in_flight or client.in_transaction else SessionState.IDLE


def _with_rows(found: Iterable[_Lock]) -> list[_Lock]:
    """Of a session's locks: it has the first place in the queue for a row as long as it waits for the end of whoever
    has that. It is the row that it waits for, as do those behind it."""
    locks = list(found)
    place = next((lock for lock in locks if lock.kind == "tuple" and lock.granted), None)
    end = next((lock for lock in locks if lock.kind == "transactionid" and not lock.granted), None)
    if place is None or end is None:
        return locks
    return [*(lock for lock in locks if lock not in (place, end)), replace(place, granted=False)]
