"""What workers answer: how far that takes them, and what the history says of it."""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.db import is_trouble
from harness.driver.attempts import next_attempt
from harness.driver.client import Client, State, meets
from harness.driver.deadlocks import DEADLOCK_DETECTED, Deadlocks
from harness.driver.effects import Effects
from harness.driver.plan import Points
from harness.driver.programs import goes_on, note_end
from harness.driver.recorder import Recorder
from harness.driver.timers import RewindError, Timers
from harness.driver.waiting import Waiting
from harness.driver.wire import Message
from harness.errors import DriverError
from harness.model import EventKind, StatementKind

DEADLOCK_TIMEOUT_S = 0.0009
"""A statement that was answered sooner cannot have been in a deadlock."""


class Answers:
    """Takes what workers send, one message at a time. ``committed`` is called when the ledger may have changed."""

    def __init__(
        self,
        points: Points | None,
        recorder: Recorder,
        effects: Effects,
        deadlocks: Deadlocks,
        waiting: Waiting,
        timers: Timers,
        committed: Callable[[], None],
    ) -> None:
        self._points, self._recorder, self._effects = points, recorder, effects
        self._deadlocks, self._waiting, self._timers = deadlocks, waiting, timers
        self._committed = committed

    def take(self, client: Client) -> None:
        """The next message of a worker that has one. Raises `DriverError` for a worker or a server that failed,
        `RewindError` for a timer that struck beside its statement."""
        reply = client.process.take()
        if reply is None:
            raise DriverError(f"worker process {client.process.pid} ({client.name}) died by itself")
        if "next" in reply:
            goes_on(client, reply)
        self._take(client, reply)
        if "end" in reply:
            note_end(client, reply, self._recorder)

    def _take(self, client: Client, reply: Message) -> None:
        statement = client.statement
        if "pong" in reply:
            return
        if "late" in reply:
            raise RewindError(f"{client.choice}: its timeout of {self._timers.ms} ms struck beside it")
        if client.woken:
            self._waiting.note_woken(client)
        if (client.process.waits and self._deadlocks.heard(client)) or reply.get("sqlstate") == DEADLOCK_DETECTED:
            self._waiting.note_deadlock(client)
            self._deadlocks.tell(client, reply)
        client.process.waits.clear()
        if "gate" in reply:
            assert self._points is not None
            self._suspect_deadlock(client)
            client.park(self._points.sites[reply["site"]], reply["gate"])
            return
        if "ok" not in reply:
            client.along = 0  # it sends none of them
        if "lost" in reply:
            kind = EventKind.INFO if client.commit_in_doubt else EventKind.FAIL
            message = f"connection lost: {reply['lost']}"
            self._recorder.note(kind, client.name, statement.name, sqlstate=reply.get("sqlstate"), message=message)
            self._committed()
            client.in_transaction = False
            self._effects.answered(client, failed=True)
            client.end()
            client.process.backend = 0
            return
        self._suspect_deadlock(client)
        client.note_transaction(reply)
        self._effects.answered(client, failed="error" in reply)
        if not client.in_transaction:
            self._committed()
        if "error" in reply:
            self._failed(client, reply)
            return
        rows, tag = reply["ok"], reply["tag"]
        if statement.kind is StatementKind.COMMIT and tag == "ROLLBACK":
            self._recorder.note(
                EventKind.FAIL, client.name, statement.name, message="COMMIT of a failed transaction: rolled back"
            )
            client.advance()
            return
        self._recorder.note(EventKind.OK, client.name, statement.name, rows=rows, message=tag)
        client.advance()
        stops = statement.continue_if is not None and not meets(statement.continue_if, rows)
        if stops and statement.opens:
            client.stops = True  # once what it has done is committed
        elif stops or client.stops:
            client.stops = False
            client.end()
            self._recorder.note(EventKind.END, client.name, statement.name, message="its own `if` says stop")

    def _failed(self, client: Client, reply: Message) -> None:
        statement = client.statement
        if is_trouble(reply["sqlstate"]):  # it says nothing about the statement, whoever caught it or did not
            raise DriverError(f"the server failed at {client.choice}: {reply['error']} ({reply['sqlstate']})")
        self._recorder.note(
            EventKind.FAIL, client.name, statement.name, sqlstate=reply["sqlstate"], message=reply["error"]
        )
        again = next_attempt(client.worker, client.position, reply["sqlstate"])
        client.advance()
        if client.worker.keep_going or statement.tolerated:
            if statement.opens and not client.worker.program:  # alone, it would have been rolled back at once
                client.process.ask({"do": "run", "sql": "ROLLBACK"})
                client.in_transaction = False
                self._effects.answered(client, failed=True)
                client.advance()
            return
        ended = client.state is State.ENDED
        client.end()
        if client.in_transaction:
            client.process.ask({"do": "run", "sql": "ROLLBACK"})
            client.in_transaction = False
            self._committed()
            self._effects.answered(client, failed=True)
        if again is not None:
            client.go_on(again)
        elif not ended:
            self._recorder.note(EventKind.END, client.name, statement.name, message="stopped by the error")

    def _suspect_deadlock(self, client: Client) -> None:
        """Its step is over; it took long enough to have been in a deadlock that its function has swallowed, or may have
        been in one that was seen without any wait."""
        if client.deadlocked or not self._deadlocks.anybody_waits:
            return
        took = time.monotonic() - client.asked_at
        possible = took > DEADLOCK_TIMEOUT_S or self._effects.queues(client)
        if possible and self._effects.touches(client):
            self._deadlocks.suspect(client)
