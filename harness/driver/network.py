"""Faults of the wire: a connection that is lost at an exact message, or that goes silent while its session lives on."""

from __future__ import annotations

import os
import select
import socket
import time
from contextlib import suppress
from dataclasses import dataclass

from harness.driver.client import Client, State
from harness.driver.deadlocks import Deadlocks
from harness.driver.doors import Doors
from harness.driver.locks import Locks, closes_a_cycle
from harness.driver.observer import Observer
from harness.driver.recorder import Recorder
from harness.driver.splice import Splicer
from harness.errors import DriverError
from harness.model import Action, Choice, EventKind, Statement
from harness.wire import Adopted, BlackHole, Drop, Entry, Fault, LoseAnswer, Side, Trigger

_LOOK_S = 0.001
_NEXT = Trigger(side=Side.CLIENT, kind="Query")
"""A worker's next statement: all that it ever sends."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Hole:
    """A session whose client has given up, and does not know it. ``end``: the client's, still open: were it closed, the
    server would meet that at its first word after the hole, in mid-statement where it stops at gates."""

    client: Client
    statement: Statement
    link: Adopted
    end: socket.socket


class Network:
    """Loses workers' connections and writes down what that means for the statement under way, as the log of the proxy
    shows it. ``bound_s``: how long anything may take. ``exact``: what is done was written down step by step, by
    somebody who says what takes effect."""

    def __init__(
        self,
        observer: Observer,
        recorder: Recorder,
        doors: Doors,
        locks: Locks,
        deadlocks: Deadlocks,
        splicer: Splicer,
        *,
        bound_s: float,
        exact: bool,
    ) -> None:
        self._observer, self._recorder, self._doors = observer, recorder, doors
        self._locks, self._deadlocks, self._splicer = locks, deadlocks, splicer
        self._bound_s, self._exact = bound_s, exact
        self._holes: list[_Hole] = []

    @property
    def choices(self) -> tuple[Choice, ...]:
        """An end for every black hole there is."""
        return tuple([Choice(worker=hole.client.name, action=Action.HEAL) for hole in self._holes])

    def concerns(self, client: Client, action: Action) -> bool:
        """Whether the fault is one of the wire, or strikes a worker that has given up."""
        return action.of_wire or action is Action.HEAL or self._hole(client) is not None

    def strike(self, client: Client, action: Action) -> bool:
        """Do ``action``. Returns True when the session lives on because it waits for a lock. What finds nothing to
        strike changes nothing, and says so in an event."""
        hole = self._hole(client)
        if action is Action.HEAL:
            return self._missed(client, "there is no black hole") if hole is None else self._heal(hole)
        if hole is not None:
            return self._end_session(hole) if action is Action.BACKEND else self._missed(client, "it has given up")
        if client.state is not State.READY:
            return self._missed(client, "it sends nothing now")
        if self._observer.session(client.backend) is None:
            return self._missed(client, "its connection is lost already")
        return self._lose(client, action)

    def abandon(self) -> None:
        """Leave nothing behind; to be called when the sessions have been ended."""
        for hole in self._holes:
            hole.link.release()
            hole.end.close()
        self._holes.clear()

    # ------------------------------------------------------------------------------------------------ internals

    def _lose(self, client: Client, action: Action) -> bool:
        """What is sent is what the client would send: a statement that is its own transaction, without our BEGIN."""
        statement = client.statement
        fault, message = _planned(action, statement)
        link = self._splicer.splice(client.process, fault)
        self._recorder.note(EventKind.INVOKE, client.name, statement.name, sql=statement.sql)
        reaches = action in (Action.LOST_ACK, Action.BLACK_HOLE)
        if reaches:
            self._doors.throw_open(client)  # at a gate nobody would hear of it
        client.process.send({"do": "run", "sql": statement.sql})
        struck = self._await_strike(client, action, link)
        message = message.format(outcome=struck.detail) if struck else "connection lost while the statement waits"
        self._recorder.note(EventKind.FAULT, client.name, message=message)
        client.struck = True
        if struck is None:
            client.process.ask({"do": "reset", "why": "it was lost"})
        if action is Action.BLACK_HOLE:
            _, [end] = client.process.borrow({"do": "lend"})
            self._holes.append(_Hole(client=client, statement=statement, link=link, end=end))
            client.process.ask({"do": "reset", "why": "no answer comes, and the client gives up"})
        self._note_lost(client, with_commit=reaches and statement.opens)
        if action is Action.BLACK_HOLE:
            return False
        return not self._observer.await_end(client.backend, bound_s=self._bound_s)

    def _await_strike(self, client: Client, action: Action, link: Adopted) -> Entry | None:
        """The proxy's entry of what it has done; None where the statement has come to wait for somebody's lock, so that
        there is no answer to be lost. An exact order that says "takes effect" must be right."""
        deadline = time.monotonic() + self._bound_s
        while True:
            with suppress(TimeoutError):
                return link.log.await_strikes(1, timeout_s=_LOOK_S)[0]
            where = f"{client.choice.struck_by(action)}"
            if self._locks.waits_on(client.backend):
                if self._exact:
                    raise DriverError(f"{where}: the statement waits for a lock, so it cannot take effect")
                return None
            if time.monotonic() > deadline:
                raise DriverError(f"{where}: the connection was not lost within {self._bound_s:.0f} s")

    def _note_lost(self, client: Client, *, with_commit: bool) -> None:
        """The worker meets a lost connection, and that is its end. ``with_commit``: its statement reached the server
        together with the commit that is a step of its own elsewhere."""
        reply = client.process.receive() or {}
        if "lost" not in reply:
            raise DriverError(f"worker process {client.process.pid} ({client.name}) does not notice that its "
                              "connection is lost")  # fmt: skip
        message = f"connection lost: {reply['lost']}"
        kind = EventKind.INFO if client.commit_in_doubt else EventKind.FAIL
        self._recorder.note(kind, client.name, client.statement.name, message=message)
        if with_commit:
            commit = client.worker.statements[client.position + 1]
            self._recorder.note(EventKind.INVOKE, client.name, commit.name, sql=commit.sql)
            self._recorder.note(EventKind.INFO, client.name, commit.name, message=message)
        client.in_transaction = False
        client.process.backend = 0
        client.end()

    def _heal(self, hole: _Hole) -> bool:
        """What was held back arrives; when that is over, the server learns that its client is gone."""
        client = hole.client
        self._holes.remove(hole)
        before = self._observer.session(client.backend)
        with hole.end:
            hole.link.release()
            if before is not None:
                self._carry_out(client, before[1], hole.end)
        if before is not None:
            self._deadlocks.suspect(client)
        late = f"{hole.statement.name} arrives late" if before is not None else "its session had ended before"
        self._recorder.note(EventKind.FAULT, client.name, message=f"the black hole ends: {late}")
        client.checked, client.blocked_since = False, time.monotonic()
        return before is not None and not self._observer.await_end(client.backend, bound_s=self._bound_s)

    def _carry_out(self, client: Client, asked_before: str, end: socket.socket) -> None:
        """Read whatever the server says until the late statement is over, or waits for a lock, or its session has
        ended. One that closes a cycle of waits is about to be over."""
        deadline = time.monotonic() + self._bound_s
        while (now := self._observer.session(client.backend)) is not None:
            begun = now[1] != asked_before
            if begun and now[0] != "active":
                return
            others = self._locks.waits()  # before itself, as `Locks` does
            blockers = self._observer.waits([client.backend])[client.backend]
            if begun and blockers:
                waits = {**others, client.backend: blockers}
                if not closes_a_cycle(client.backend, waits):
                    return
            if time.monotonic() > deadline:
                raise DriverError(f"{client.name}: its late statement was not over within {self._bound_s:.0f} s")
            if select.select([end], [], [], _LOOK_S)[0] and not os.read(end.fileno(), 65536):
                return

    def _end_session(self, hole: _Hole) -> bool:
        """The server gives up a session that it hears nothing of, as a timeout of its own would."""
        self._holes.remove(hole)
        self._recorder.note(EventKind.FAULT, hole.client.name, message="pg_terminate_backend: the session is ended")
        self._observer.terminate(hole.client.backend)
        hole.link.release()
        hole.end.close()
        return False

    def _missed(self, client: Client, why: str) -> bool:
        self._recorder.note(EventKind.FAULT, client.name, message=f"{why}; nothing was struck")
        return False

    def _hole(self, client: Client) -> _Hole | None:
        return next((hole for hole in self._holes if hole.client is client), None)


def _planned(action: Action, statement: Statement) -> tuple[Fault, str]:
    """What is to happen to the message that carries ``statement``, and how an event tells of it (``{outcome}``: how the
    server had answered)."""
    match action:
        case Action.LOST_REQUEST:
            return Drop(when=_NEXT, passed=0), "connection lost before the server had any of the statement"
        case Action.TORN_REQUEST:
            half = (1 + 4 + len(statement.sql.encode()) + 1) // 2  # its type, its length, the text, a zero
            return Drop(when=_NEXT, passed=half), "connection lost when the server had half of the statement"
        case Action.LOST_ACK:
            return LoseAnswer(when=_NEXT), "answered {outcome}; connection lost before any of that arrived"
        case Action.BLACK_HOLE:
            return BlackHole(when=_NEXT), "black hole: nothing passes any more, and nothing is closed"
    raise DriverError(f"{action.value} is no fault of the wire")
