"""What every session does, waits for and holds right after a turn, in names: nothing of it is a number of this run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from harness.driver.client import Client, State
from harness.driver.locks import Locks, Waits
from harness.driver.observer import Observer
from harness.driver.recorder import Recorder
from harness.errors import DriverError
from harness.model import LIFE_KEY, HeldLock, Moment, SessionMoment, SessionState

_BOUND_S = 1.0
"""How long a waiter may take from one wait to its next; what is seen then stands."""
_ALIVE = "SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s)"
# Not the keys of gates, nor virtual transactions, nor what only SERIALIZABLE calls a lock; of relations none of the
# catalog, and no index: whether a statement locks all of a table's or only those that it uses depends on whether its
# plan was there already.
_LOCKS = f"""
SELECT l.pid, l.locktype, l.mode, l.granted,
  CASE WHEN n.nspname = 'public' THEN '' ELSE n.nspname || '.' END || c.relname,
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
  ELSE NOT l.granted END
"""
_KINDS = {"relation": "table", "tuple": "row", "transactionid": "transaction"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lock:
    """A row of the lock table. ``transaction``: its number."""

    pid: int
    kind: str
    mode: str
    granted: bool
    table: str
    transaction: str
    key: tuple[int, int, int]


class Moments:
    """Looks at the sessions of one execution. It asks the lock table, for which nobody waits."""

    def __init__(self, observer: Observer, recorder: Recorder, locks: Locks, clients: Sequence[Client]) -> None:
        self._observer, self._recorder, self._locks, self._clients = observer, recorder, locks, clients
        names = recorder.names
        self._fresh_keys = bool(names.users or names.jobs)
        """Advisory keys may be made from ids, which no other execution has."""
        self._keys: dict[tuple[int, int, int], str] = {}

    def look(self) -> Moment:
        """To be called when a turn has ended: whoever has not, is held or waits. Raises `DriverError`."""
        backends = [c.backend for c in self._clients]
        deadline = time.monotonic() + _BOUND_S
        while True:
            waits = self._locks.waits()
            # One that has come to the head of a queue may be on its way from its place there to the row.
            if all(waits[c.backend] for c in self._clients if c.state is State.BLOCKED) or time.monotonic() > deadline:
                break
            time.sleep(0.0002)
        alive = {pid for (pid,) in self._asked(_ALIVE, backends)}
        found = [
            _Lock(pid=pid, kind=kind, mode=mode, granted=granted, table=table or "", transaction=transaction or "",
                  key=(first, second, third))
            for pid, kind, mode, granted, table, transaction, first, second, third in self._asked(_LOCKS, backends)
        ]  # fmt: skip
        owners = {lock.transaction: lock.pid for lock in found if lock.granted and lock.transaction}
        names = {c.backend: c.name for c in self._clients}
        owned = {transaction: names[pid] for transaction, pid in owners.items()}
        sessions = (
            self._session(c, c.backend in alive, waits, [lock for lock in found if lock.pid == c.backend], owned)
            for c in self._clients
        )
        return Moment(turn=self._recorder.turn, sessions=tuple(sessions))

    def _session(
        self, client: Client, alive: bool, waits: Waits, found: Sequence[_Lock], owners: Mapping[str, str]
    ) -> SessionMoment:
        waits_for = waits.get(client.backend, ())
        locks = {self._held(lock, owners) for lock in _with_rows(found)}
        return SessionMoment(
            worker=client.name,
            state=_state(client, alive),
            at="" if client.over else client.step,
            waits_for=tuple(c.name for c in self._clients if c.backend in waits_for),
            locks=tuple(sorted(locks, key=lambda held: (not held.granted, held.kind, held.on, held.mode))),
        )

    def _held(self, lock: _Lock, owners: Mapping[str, str]) -> HeldLock:
        on = lock.table
        if lock.kind == "transactionid":
            on = owners.get(lock.transaction, "")
        elif lock.kind == "advisory":
            on = self._key(lock.key)
        return HeldLock(kind=_KINDS.get(lock.kind, lock.kind), on=on, mode=lock.mode, granted=lock.granted)

    def _key(self, key: tuple[int, int, int]) -> str:
        if self._fresh_keys:
            return self._keys.setdefault(key, f"#{len(self._keys) + 1}")
        first, second, words = key
        if words == 2:
            return f"{_signed(first, 32)}, {_signed(second, 32)}"
        return str(_signed(first << 32 | second, 64))

    def _asked(self, query: str, backends: Sequence[int]) -> list[tuple[Any, ...]]:
        try:
            return self._observer.connection.execute(query.encode(), (list(backends),)).fetchall()
        except psycopg.Error as e:
            raise DriverError(f"the server does not answer the observer: {e.diag.message_primary or e}") from None


def _state(client: Client, alive: bool) -> SessionState:
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


def _signed(number: int, bits: int) -> int:
    """As the function that took the key was given it."""
    return number - (1 << bits) if number >> (bits - 1) else number
