"""A database in miniature, to test strategies without one: transactions with snapshots, row and table locks, queues,
deadlocks, and workers that decide by what they have read. Each turn reports its `Effect` as the driver does.

A worker is a list of transactions, a transaction is an isolation level, a list of operations (one step each) and its
end (a step of its own). Operations, as tuples:

    ("read", t, r)      remember row r of table t          ("write", t, r)    change it by what is remembered
    ("lock", t, r)      FOR UPDATE, remember it            ("try", t, r)      the same, SKIP LOCKED
    ("share", t, r)     FOR SHARE, remember it
    ("both", t, r)      change rows r and 1 - r, in that order, in one statement
    ("across", t, u)    change row 0 of t and then of u, in one statement
    ("table", t)        LOCK TABLE                         ("next", s)        nextval
    ("if", op, other)   the first one if what is remembered is even
    ("opaque", op)      the same, but nobody can tell what it touches
    ("look",)           nothing but a snapshot
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from conflicts import Conflicts
from simulated_locks import Locks, Request, Thing

from harness.dependence import WAIT
from harness.model import Choice, Effect, Footprint

Op = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Transaction:
    ops: tuple[Op, ...]
    repeatable: bool = False
    end: str = "commit"
    """"commit", "rollback", or "open": the worker leaves without either."""
    serializable: bool = False
    """At SERIALIZABLE (then ``repeatable`` must be true as well)."""


System = dict[str, tuple[Transaction, ...]]
STEP: Final = "step"
WAITS: Final = "waits"


class AbortedError(Exception):
    """An error ends the transaction in hand."""


@dataclass(slots=True)
class Session:
    """One worker: where it is, and its open transaction."""

    name: str
    program: Generator[str, None, None]
    step: str = ""
    register: int = 0
    log: list[object] = field(default_factory=list)
    own: dict[tuple[str, int], int] = field(default_factory=dict)
    snapshot: dict[tuple[str, int], tuple[int, str]] | None = None
    touched: set[str] = field(default_factory=set)
    opaque: bool = False
    member: str = ""
    """Its open transaction's name, at SERIALIZABLE."""
    held: Footprint = field(default_factory=Footprint)
    """What that has touched so far."""
    piece: Footprint = field(default_factory=Footprint)
    """What the step in hand touches of it."""
    ended: bool = False


class Simulation:
    """One execution of a system."""

    def __init__(self, system: System, *, retries: bool = False) -> None:
        self.rows: dict[tuple[str, int], tuple[int, str]] = {}
        """Committed value and who wrote it, per table and row; one that was never written holds its start value."""
        self.counters: dict[str, int] = {}
        self.locks = Locks()
        self.conflicts = Conflicts()
        self.whole = any(op[0] == "table" for ts in system.values() for t in ts for op in _flat(t.ops))
        self.sessions: dict[str, Session] = {}
        self._system, self._crowded = system, len(system) + retries > 2
        self._begin_turn()
        for name, transactions in system.items():
            self._enter(name, transactions)

    def enabled(self) -> tuple[Choice, ...]:
        able = [s for s in self.sessions.values() if not s.ended and s.name not in self.locks.waiting]
        return tuple(Choice(worker=s.name, step=s.step) for s in able)

    def take(self, worker: str) -> Effect:
        """Carry out the worker's next step, and what it sets free."""
        self._begin_turn()
        self._move(self.sessions[worker])
        return self._effect()

    def crash(self, worker: str) -> Effect:
        """The worker is gone, its transaction is rolled back, and a retry with the same transactions comes in."""
        self._begin_turn()
        session = self.sessions[worker]
        session.program.close()
        session.log.append("crashed")
        session.ended = True
        if session.member and session.snapshot is not None:
            self.conflicts.abort(session.member)
        self._let_go(session)
        retry = self._enter(f"{worker}_retry", self._system[worker])
        self.moved |= {worker, retry.name}
        self.everything = self.over_everything = True
        return self._effect()

    def _enter(self, name: str, transactions: Sequence[Transaction]) -> Session:
        session = self.sessions[name] = Session(name, iter(()))  # type: ignore[arg-type]
        session.program = self._run(session, transactions)
        session.register = len(self.sessions)
        self._advance(session)
        return session

    def _effect(self) -> Effect:
        """Of the turn in hand, with all that it sets free."""
        while (woken := self.locks.grant()) is not None:
            self._move(self.sessions[woken])
        return Effect(
            workers=frozenset(self.moved),
            footprint=Footprint(
                reads=frozenset(self.reads),
                writes=frozenset(self.writes),
                excludes=frozenset(self.excludes),
                everything=self.everything,
            ),
            ended=frozenset(self.over),
            ended_everything=self.over_everything,
            snapshot=self.took_snapshot,
            seen=self.seen,
            held=self.held,
            commits=self.commits,
            crowded=self._crowded,
        )

    def state(self) -> str:
        """All that can matter from here on, as text."""
        sessions = [
            (
                s.name,
                s.step,
                s.register,
                s.log,
                sorted(s.own.items()),
                s.snapshot and sorted(s.snapshot.items()),
                s.ended,
            )
            for s in self.sessions.values()
        ]
        rest = (self.locks.state(), sessions, self.conflicts.state())
        return repr((sorted(self.rows.items()), sorted(self.counters.items()), *rest))

    def outcome(self) -> str:
        """What a campaign would judge in the end: ledger, answers (deadlock victims among them), who still waits."""
        logs = [(s.name, s.log) for s in self.sessions.values()]
        values = sorted((row, value) for row, (value, _) in self.rows.items())
        return repr((values, sorted(self.counters.items()), logs, sorted(self.locks.waiting)))

    # ------------------------------------------------------------------------------------------------- turns

    def _begin_turn(self) -> None:
        self.moved: set[str] = set()
        self.reads: set[str] = set()
        self.writes: set[str] = set()
        self.excludes: set[str] = set()
        self.over: set[str] = set()
        self.everything = self.over_everything = self.took_snapshot = self.commits = False
        self.held = self.seen = Footprint()

    def _move(self, session: Session) -> None:
        self.moved.add(session.name)
        self.held |= session.held  # it may end, and hold nothing any more
        self._advance(session)
        self.held |= session.held
        self.seen |= session.piece

    def _advance(self, session: Session) -> None:
        """On to the next step or wait."""
        try:
            if next(session.program) is WAITS:
                self.writes.add(WAIT)
                while self.locks.in_a_cycle(session.name):
                    self.locks.give_up(session.name)
                    if session.program.throw(AbortedError("deadlock")) is not WAITS:
                        break
        except StopIteration:
            session.ended = True

    def _run(self, session: Session, transactions: Sequence[Transaction]) -> Generator[str, None, None]:
        for number, transaction in enumerate(transactions):
            session.member = f"{session.name}{number}" if transaction.serializable else ""
            try:
                for i, op in enumerate(transaction.ops):
                    session.step = f"{number}.{i}{op[0]}"
                    yield STEP
                    session.opaque, session.piece = False, Footprint()
                    yield from self._do(session, transaction, op)
                session.step = f"{number}.{transaction.end}"
                if transaction.end == "open":
                    return
                yield STEP
                session.piece = Footprint()
                if transaction.end == "commit":
                    self._commit(session, number)
                elif session.member and session.snapshot is not None:
                    self.conflicts.abort(session.member)
            except AbortedError as e:
                session.log.append(str(e))
                if session.member and session.snapshot is not None:
                    self.conflicts.abort(session.member)
            self._let_go(session)

    def _do(self, session: Session, transaction: Transaction, op: Op) -> Generator[str, None, None]:
        match op:
            case ("opaque", inner):
                session.opaque = True
                yield from self._do(session, transaction, inner)
            case ("if", yes, no):
                yield from self._do(session, transaction, no if session.register % 2 else yes)
            case ("next", counter):
                self._touch(session, writes=f"sequence {counter}")
                self.counters[counter] = session.register = self.counters.get(counter, 0) + 1
                session.log.append(session.register)
            case ("look",):
                self._snapshot(session, transaction)
            case ("table", table):
                self._touch(session, excludes=table)
                yield from self._acquire(session, ("table", table), exclusive=True, excludes=table)
            case ("read", table, row):
                yield from self._table(session, transaction, table)
                self._conflict(session, reads=(table, row))
                session.register = self._seen(session, transaction, (table, row))
                session.log.append(session.register)
            case ("across", *tables):
                yield from self._change(session, transaction, "write", [(table, 0) for table in tables])
            case (kind, table, row):
                rows = [(table, row), (table, 1 - row)] if kind == "both" else [(table, row)]
                yield from self._change(session, transaction, kind, rows)

    def _change(
        self, session: Session, transaction: Transaction, kind: str, rows: Sequence[tuple[str, int]]
    ) -> Generator[str, None, None]:
        tables = sorted({table for table, _ in rows})
        for table in tables:
            yield from self._table(session, transaction, table, writes=" ".join(tables))
        for row in rows:
            yield from self._row(session, kind, row, writes=" ".join(tables))

    def _table(
        self, session: Session, transaction: Transaction, table: str, **touches: str
    ) -> Generator[str, None, None]:
        """A statement begins: its lock on the table, then its snapshot."""
        if session.member:
            writes = frozenset(touches.get("writes", "").split())
            known = Footprint(reads=frozenset() if writes else frozenset({table}), writes=writes)
            session.piece |= Footprint(everything=True) if session.opaque else known
            session.held |= session.piece
        touches = touches or ({"reads": table} if self.whole or not transaction.repeatable else {})
        self._touch(session, **touches)
        if self.whole:
            yield from self._acquire(session, ("table", table), exclusive=False, **touches)
        self._snapshot(session, transaction)

    def _snapshot(self, session: Session, transaction: Transaction) -> None:
        if session.snapshot is None and transaction.repeatable:
            self.took_snapshot = True
            session.snapshot = dict(self.rows)
            if session.member:
                self.conflicts.begin(session.member)

    def _row(self, session: Session, kind: str, row: tuple[str, int], writes: str) -> Generator[str, None, None]:
        thing = ("row", row[0], str(row[1]))
        if kind == "try" and not self.locks.free(Request(session.name, thing, True)):
            session.log.append("skipped")
            return
        yield from self._acquire(session, thing, exclusive=kind != "share", writes=writes)
        if session.snapshot is not None and session.snapshot.get(row) != self.rows.get(row):
            raise AbortedError("serialization failure")
        self._conflict(session, reads=row)
        value = session.own.get(row, self.rows.get(row, (row[1] + 1, ""))[0])
        if kind in ("lock", "try", "share"):
            session.register = value
            session.log.append(value)
        else:
            self._conflict(session, writes=row)
            session.own[row] = (value * 3 + session.register) % 101

    def _seen(self, session: Session, transaction: Transaction, row: tuple[str, int]) -> int:
        rows = session.snapshot if transaction.repeatable and session.snapshot is not None else self.rows
        return session.own.get(row, rows.get(row, (row[1] + 1, ""))[0])

    def _conflict(self, session: Session, **row: tuple[str, int]) -> None:
        if session.member and self.conflicts.fails(session.member, **row):
            raise AbortedError("dangerous structure")

    def _commit(self, session: Session, number: int) -> None:
        if session.member and session.snapshot is not None and self.conflicts.commit_fails(session.member):
            raise AbortedError("dangerous structure")
        for row, value in session.own.items():
            self.rows[row] = (value, f"{session.name}{number}")

    def _let_go(self, session: Session) -> None:
        session.own, session.snapshot = {}, None
        self.locks.let_go(session.name)
        self.over |= session.touched - {"everything"}
        self.over_everything = self.over_everything or "everything" in session.touched
        session.touched, session.held = set(), Footprint()
        self.commits = self.commits or bool(session.member)

    def _touch(self, session: Session, *, reads: str = "", writes: str = "", excludes: str = "") -> None:
        if session.opaque:
            self.everything = True
            session.touched.add("everything")
            return
        written = {writes} if writes.startswith("sequence") else set(writes.split())
        self.reads |= {reads} - {""}
        self.writes |= written
        self.excludes |= {excludes} - {""}
        # That a reader holds a lock too matters only to who locks whole tables; a sequence's value is never let go.
        session.touched |= (written | {excludes, reads if self.whole else ""}) - {""}

    def _acquire(
        self, session: Session, thing: Thing, *, exclusive: bool, **touches: str
    ) -> Generator[str, None, None]:
        if not self.locks.take(Request(session.name, thing, exclusive)):
            yield WAITS
            self._touch(session, **touches)


def _flat(ops: Sequence[Op]) -> list[Op]:
    found: list[Op] = []
    for op in ops:
        found.append(op)
        found += _flat([inner for inner in op[1:] if isinstance(inner, tuple)])
    return found
