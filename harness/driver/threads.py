"""The homemade test that everybody writes: a thread per worker, a barrier, and all of them off at once.

One process, one psycopg connection each, no control and no gates. It is here to be compared with: it gives an ordinary
`Execution` with an empty schedule, which the ordinary checks judge. What it finds differs from run to run and cannot be
replayed.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import pq, sql

from harness.db import backend_of
from harness.driver.attempts import is_last_of_attempt, next_attempt
from harness.driver.client import meets
from harness.driver.cycles import Member, Words, members_told
from harness.driver.deadlocks import DEADLOCK_DETECTED
from harness.driver.observer import Observer
from harness.driver.plan import Plan
from harness.driver.recorder import Recorder
from harness.driver.running import STEP_BOUND_S
from harness.driver.wire import Message
from harness.driver.worker import error_of, rows_of
from harness.errors import DriverError, UserSqlError
from harness.model import Event, EventKind, Execution, History, Liveness, Schedule, StatementKind, Worker

_LEAVE_BOUND_S = 5.0


def release_threads(plan: Plan, observer: Observer, conninfo: str, *, seed: int = 0) -> Execution:
    """One execution of ``plan`` on the database of ``observer`` and ``conninfo``, every worker a thread with a
    connection of its own. Raises `UserSqlError` for the set-up or a role, `DriverError` when a thread has not ended
    within `STEP_BOUND_S` or its connection could not be made."""
    assert plan.points is None
    assert not any(s.opens for w in plan.workers for s in w.statements)
    for name, text in plan.setup:
        observer.run(text, name)
    recorder = Recorder(plan.names)
    opening = recorder.ledger(observer.read(plan.state, plan.names.values))
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(contextlib.closing(_connected(w, conninfo))) for w in plan.workers]
        threads = _Threads(plan.workers, sessions, recorder)
        threads.run(observer)
        threads.explain(observer)
        liveness = Liveness(idle_in_transaction=threads.in_transaction, locks=observer.locks(threads.names))
    closing = recorder.ledger(observer.read(plan.state, plan.names.values))
    return Execution(
        number=plan.number,
        schedule=Schedule(seed=seed, decisions=()),
        history=History(events=tuple(recorder.events), opening=opening, closing=closing, liveness=liveness),
    )


class _Threads:
    def __init__(
        self, workers: Sequence[Worker], sessions: Sequence[psycopg.Connection[Any]], recorder: Recorder
    ) -> None:
        self._workers, self._sessions, self._recorder = workers, sessions, recorder
        self._barrier = threading.Barrier(len(workers))
        self._lock = threading.Lock()
        self._under_way = {w.name for w in workers}
        self._over = {w.name: threading.Event() for w in workers}
        self._failed: list[BaseException] = []
        self._backends = [backend_of(s) for s in sessions]
        self._deadlocks: list[tuple[Event, list[Member]]] = []

    @property
    def names(self) -> dict[int, str]:
        """The workers by the backends that they still have."""
        found = zip(self._backends, self._sessions, self._workers, strict=True)
        return {backend: worker.name for backend, session, worker in found if not session.closed}

    @property
    def in_transaction(self) -> tuple[str, ...]:
        """Workers whose sessions are inside a transaction."""
        idle = (pq.TransactionStatus.IDLE, pq.TransactionStatus.UNKNOWN)
        pairs = zip(self._workers, self._sessions, strict=True)
        return tuple(w.name for w, s in pairs if s.info.transaction_status not in idle)

    def run(self, observer: Observer) -> None:
        """Let them all go, and wait until they have ended."""
        threads = [
            threading.Thread(target=self._one, args=pair, name=pair[0].name, daemon=True)
            for pair in zip(self._workers, self._sessions, strict=True)
        ]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + STEP_BOUND_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if late := [t for t in threads if t.is_alive()]:
            for backend in self._backends:
                observer.terminate(backend)
            for thread in late:
                thread.join(_LEAVE_BOUND_S)
            names = ", ".join(t.name for t in late)
            raise DriverError(f"{names} neither answered nor failed within {STEP_BOUND_S:.0f} s of being released")
        if self._failed:
            raise self._failed[0]

    def _one(self, worker: Worker, session: psycopg.Connection[Any]) -> None:
        try:
            self._barrier.wait(STEP_BOUND_S)
            for name in worker.after:
                if name in self._over:
                    self._over[name].wait(STEP_BOUND_S)
            self._statements(worker, session.pgconn)
        except BaseException as e:
            self._failed.append(e)  # raised again by `run`, in the thread that waits for it
        finally:
            with self._lock:
                self._under_way.discard(worker.name)
            self._over[worker.name].set()

    def _statements(self, worker: Worker, connection: pq.abc.PGconn) -> None:
        """What a client does: send, take the answer, stop at an error (or try again) and at its own `if`."""
        following: int | None = 0
        while following is not None:
            i, statement = following, worker.statements[following]
            following = None if is_last_of_attempt(worker, i) else i + 1
            with self._lock:
                self._recorder.turn += i > 0
                self._recorder.note(EventKind.INVOKE, worker.name, statement.name, sql=statement.sql)
                beside = tuple(w.name for w in self._workers if w.name in self._under_way)
            reply = _sent(connection, statement.sql)
            if "lost" in reply:
                message = f"connection lost: {reply['lost']}"
                self._note(EventKind.INFO, worker, i, sqlstate=reply.get("sqlstate"), message=message)
                return
            if "error" in reply:
                self._note_failure(worker, i, reply, beside)
                if not worker.keep_going:
                    if connection.transaction_status != pq.TransactionStatus.IDLE:
                        connection.exec_(b"ROLLBACK")
                    following = next_attempt(worker, i, reply["sqlstate"])
            elif statement.kind is StatementKind.COMMIT and reply["tag"] == "ROLLBACK":
                self._note(EventKind.FAIL, worker, i, message="COMMIT of a failed transaction: rolled back")
            else:
                self._note(EventKind.OK, worker, i, message=reply["tag"], rows=reply["ok"])
                if statement.continue_if is not None and not meets(statement.continue_if, reply["ok"]):
                    self._note(EventKind.END, worker, i, message="its own `if` says stop")
                    return

    def _note_failure(self, worker: Worker, i: int, reply: Message, beside: Sequence[str]) -> None:
        """``beside``: the workers that were under way when the statement was sent, itself included: where the server
        does not tell who was in a cycle, some of these. By now they may have ended, since the error set them free."""
        if reply["sqlstate"] == DEADLOCK_DETECTED:
            self._note_deadlock(worker, i, reply, beside)
        self._note(EventKind.FAIL, worker, i, message=reply["error"], sqlstate=reply["sqlstate"])
        again = next_attempt(worker, i, reply["sqlstate"])
        if not worker.keep_going and again is None and not is_last_of_attempt(worker, i):
            self._note(EventKind.END, worker, i, message="stopped by the error")

    def _note_deadlock(self, worker: Worker, i: int, reply: Message, beside: Sequence[str]) -> None:
        names = {pid: w.name for w, pid in zip(self._workers, self._backends, strict=True)}
        pid = next(pid for pid, name in names.items() if name == worker.name)
        cycle = members_told(reply, pid, names)
        told = {m.worker for m in cycle}
        with self._lock:
            begun = self._recorder.latest(worker.name, EventKind.INVOKE)
            blockers = [w.name for w in self._workers if w.name in told] or beside
            self._recorder.note(EventKind.DEADLOCK, worker.name, worker.statements[i].name, blockers=blockers)
            if cycle:
                cycle[0] = replace(cycle[0], begun=begun)
                self._deadlocks.append((self._recorder.events[-1], cycle))

    def explain(self, observer: Observer) -> None:
        """Put what is known of each deadlock into the history, once all have ended."""
        words = Words(observer, None)
        for event, cycle in self._deadlocks:
            self._recorder.replace(event, replace(event, cycle=words.rows(cycle)))

    def _note(self, kind: EventKind, worker: Worker, i: int, **what: Any) -> None:
        with self._lock:
            self._recorder.note(kind, worker.name, worker.statements[i].name, **what)


def _connected(worker: Worker, conninfo: str) -> psycopg.Connection[Any]:
    try:
        session = psycopg.connect(
            conninfo, autocommit=True, client_encoding="utf8", application_name="refund-harness thread"
        )
    except psycopg.OperationalError as e:
        raise DriverError(f"{worker.name} cannot connect: {str(e).strip().splitlines()[0]}") from None
    if worker.role:
        try:
            session.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(worker.role)))
        except psycopg.Error as e:
            session.close()
            message = e.diag.message_primary or str(e)
            raise UserSqlError(f"worker {worker.name}", message, sqlstate=e.sqlstate) from None
    return session


def _sent(connection: pq.abc.PGconn, text: str) -> Message:
    """What the server answers, as a worker process would report it. (The call lets other threads run.)"""
    result = connection.exec_(text.encode())
    if result.status in (pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH):
        raise DriverError("COPY from or to the client: a thread of this kind has no rows")
    if result.status in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE):
        return error_of(result, connection)
    return {"ok": rows_of(result), "tag": (result.command_status or b"").decode()}
