"""Faults done to workers and their connections, for real: signals, cut sockets, pg_cancel_backend."""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import time

from harness.driver.client import Client, State
from harness.driver.doors import Doors
from harness.driver.locks import Locks
from harness.driver.observer import Observer
from harness.driver.recorder import Recorder
from harness.driver.timeouts import Timeouts
from harness.errors import DriverError
from harness.model import Action, EventKind, OnSigterm

_LOOK_S = 0.001


class Faults:
    """Strikes workers and writes down what that means for the operation they had in flight.

    ``bound_s``: how long anything may take. ``exact``: what is done was written down step by step, by somebody who says
    what takes effect. Each fault returns True when the worker's backend lives on because it waits for a lock: it has
    not noticed, and goes on when it is set free.
    """

    def __init__(
        self,
        observer: Observer,
        recorder: Recorder,
        doors: Doors,
        locks: Locks,
        timeouts: Timeouts,
        *,
        bound_s: float,
        exact: bool,
    ) -> None:
        self._observer, self._recorder, self._doors, self._locks = observer, recorder, doors, locks
        self._timeouts, self._bound_s, self._exact = timeouts, bound_s, exact

    def strike(self, client: Client, action: Action) -> bool:
        """Do ``action``, which is a fault. What finds nothing to strike changes nothing, and says so in an event."""
        client.struck = True
        match action:
            case Action.KILL:
                return self.kill(client)
            case Action.TERM:
                return self.terminate(client)
            case Action.LOSE:
                return self.lose_answer(client)
            case Action.RUN_ON:
                return self.run_on(client)
            case Action.CANCEL:
                return self.cancel(client)
            case Action.BACKEND:
                return self.end_backend(client)
            case Action.RESET:
                return self.reset(client)
            case Action.IDLE:
                return self.time_out(client)
            case Action.STATEMENT_TIMEOUT:
                return self._timeouts.of_statement(client)
            case Action.LOCK_TIMEOUT:
                return self._timeouts.of_lock(client)
        raise DriverError(f"{action.value} is no fault")

    def kill(self, client: Client) -> bool:
        """SIGKILL, wherever the worker is."""
        in_flight = client.in_flight
        client.process.kill()
        self._leave_gate(client)
        return self._bury(client, "SIGKILL", in_flight)

    def terminate(self, client: Client) -> bool:
        """SIGTERM: the worker leaves at once, or finishes what it has in hand."""
        in_flight = client.in_flight
        client.process.signal(signal.SIGTERM)
        if client.worker.on_sigterm is OnSigterm.FINISH:
            self._recorder.note(EventKind.SIGTERM, client.name, message="SIGTERM; it finishes what it has in hand")
            return False
        client.process.await_death()
        self._recorder.note(EventKind.SIGTERM, client.name)
        self._leave_gate(client)
        return self._bury(client, "ended by SIGTERM", in_flight)

    def lose_answer(self, client: Client) -> bool:
        """The statement takes effect; SIGKILL strikes the worker before it has read the answer. Where it comes to wait
        for somebody's lock first, SIGKILL strikes then; but an exact order that says "takes effect" must be right."""
        name = client.statement.name
        self._recorder.note(EventKind.INVOKE, client.name, name, sql=client.statement.sql)
        before = self._observer.session(client.backend)
        self._doors.throw_open(client)
        client.process.ask({"do": "send", "sql": "BEGIN; " * client.statement.opens + client.statement.sql})
        deadline = time.monotonic() + self._bound_s
        while True:
            now = self._observer.session(client.backend)
            if now is None or (now[0] != "active" and before is not None and now[1] != before[1]):
                break
            if self._locks.waits_on(client.backend):
                if self._exact:
                    raise DriverError(f"{client.choice}!killed: it waits for a lock, so it cannot take effect")
                client.process.kill()
                return self._bury(client, f"SIGKILL while {name} waits", in_flight=True)
            if time.monotonic() > deadline:
                raise DriverError(f"{client.choice}!killed: no answer within {self._bound_s:.0f} s")
            time.sleep(0.0002)
        self._recorder.note(EventKind.INFO, client.name, name, message="took effect; the answer was never read")
        client.process.kill()
        return self._bury(client, f"SIGKILL after {name} took effect, before its answer was read", in_flight=False)

    def run_on(self, client: Client) -> bool:
        """SIGKILL at a gate, and the server does not notice before its statement is over: it runs on, and commits if
        the statement was a transaction of its own."""
        if client.state is not State.PARKED:
            return self._missed(client, "SIGKILL, the server runs on: it runs nothing now")
        # As long as a duplicate of its socket is open and read from, the server has no means to tell.
        message, [server] = client.process.borrow({"do": "lend"})
        with server:
            client.process.kill()
            if client.statement.opens and message["ssl"]:
                raise DriverError(f"{client.choice}: the connection is encrypted, so nobody can go on for its worker")
            self._doors.throw_open(client)
            committed = self._drain(client, server)
        waits = self._bury(client, "SIGKILL; the server runs its statement to the end", in_flight=True)
        if committed:
            commit = client.worker.statements[client.position + 1]
            self._recorder.note(EventKind.INVOKE, client.name, commit.name, sql=commit.sql)
            self._recorder.note(EventKind.INFO, client.name, commit.name, message="the client is gone")
        return waits

    def cancel(self, client: Client) -> bool:
        """pg_cancel_backend: the statement in hand fails with 57014, or catches that."""
        if not client.in_flight:
            return self._missed(client, "pg_cancel_backend: no statement is under way")
        self._recorder.note(EventKind.FAULT, client.name, message="pg_cancel_backend")
        self._doors.brace(client)
        self._observer.cancel(client.backend)
        if client.state is State.PARKED and not client.process.answers(self._bound_s):
            raise DriverError(f"backend {client.backend} did not leave its gate within {self._bound_s:.0f} s")
        self._doors.left(client)
        deadline = time.monotonic() + self._bound_s
        # A signal takes its time: a wait that goes on until it is there must not be taken for another one.
        while client.state is State.BLOCKED and self._observer.waits([client.backend])[client.backend]:
            if client.process.pending or select.select([client.process.wire], [], [], _LOOK_S)[0]:
                break
            if time.monotonic() > deadline:
                raise DriverError(f"backend {client.backend} did not give up its wait within {self._bound_s:.0f} s")
        client.state = State.RUNNING
        return False

    def end_backend(self, client: Client) -> bool:
        """pg_terminate_backend: the worker learns of it when it next listens to the server."""
        if client.state is State.ENDED:
            return self._missed(client, "pg_terminate_backend: the worker has ended")
        self._recorder.note(EventKind.FAULT, client.name, message="pg_terminate_backend")
        self._observer.terminate(client.backend)
        if client.in_flight:
            client.state = State.RUNNING
        return False

    def reset(self, client: Client) -> bool:
        """The connection is cut. A backend that stands at a gate would notice with its next message: it ends now."""
        if client.state is State.ENDED:
            return self._missed(client, "connection reset: the worker has ended")
        self._recorder.note(EventKind.FAULT, client.name, message="connection reset")
        if "reset" not in client.process.ask({"do": "reset"}):
            raise DriverError(f"worker process {client.process.pid} did not cut its connection")
        self._leave_gate(client)
        if client.in_flight:
            # Its answer is there before anybody asks what its backend, which may wait on, is waiting for.
            if not client.process.pending and not select.select([client.process.wire], [], [], self._bound_s)[0]:
                raise DriverError(f"worker process {client.process.pid} does not notice that its connection is cut")
            client.state = State.RUNNING
        return not self._observer.await_end(client.backend, bound_s=self._bound_s)

    def time_out(self, client: Client) -> bool:
        """idle_in_transaction_session_timeout fires between two statements of a transaction: the session is ended."""
        if client.state is not State.READY or not client.in_transaction:
            return self._missed(client, "idle_in_transaction_session_timeout: it is not idle in a transaction")
        reply = client.process.ask({"do": "run", "sql": "SET LOCAL idle_in_transaction_session_timeout = 1"})
        if "error" in reply:
            return self._missed(client, "idle_in_transaction_session_timeout: its transaction has failed")
        self._recorder.note(EventKind.FAULT, client.name, message="idle_in_transaction_session_timeout fires")
        return not self._observer.await_end(client.backend, bound_s=self._bound_s)

    def _drain(self, client: Client, server: socket.socket) -> bool:
        """Read whatever the server says until its statement, and the commit that belongs to it, is over; or until it
        waits for a lock, or is gone. True when that commit was sent: it belongs to the statement, and is apart from it
        only so that workers can be held before it."""
        commit = b"COMMIT\0"
        owed = client.statement.opens
        sent = False
        deadline = time.monotonic() + self._bound_s
        while (now := self._observer.session(client.backend)) is not None:
            if now[0] == "idle in transaction" and owed and not sent:
                server.sendall(b"Q" + struct.pack("!i", len(commit) + 4) + commit)
                sent = True
            elif now[0] != "active" and not (sent and now[0] != "idle"):
                return sent
            if now[0] == "active" and self._observer.waits([client.backend])[client.backend]:
                return sent
            if time.monotonic() > deadline:
                raise DriverError(f"{client.name}: its backend did not end its statement within {self._bound_s:.0f} s")
            if select.select([server], [], [], _LOOK_S)[0] and not os.read(server.fileno(), 65536):
                return sent
        return sent

    def _missed(self, client: Client, message: str) -> bool:
        client.struck = False
        self._recorder.note(EventKind.FAULT, client.name, message=f"{message}; nothing was struck")
        return False

    def _leave_gate(self, client: Client) -> None:
        """The backend of a dead worker that stands at a gate would notice with its next message, after the gate: it
        ends now, and its transaction with it, so that nothing hangs on when somebody lets it go."""
        if client.state is State.PARKED:
            self._observer.terminate(client.backend)

    def _bury(self, client: Client, message: str, in_flight: bool) -> bool:
        self._recorder.note(EventKind.CRASH, client.name, message=message)
        if in_flight and client.commit_in_doubt:
            self._recorder.note(EventKind.INFO, client.name, client.statement.name, message="the client is gone")
        elif in_flight:
            message = "its transaction cannot commit any more"
            self._recorder.note(EventKind.FAIL, client.name, client.statement.name, message=message)
        client.state = State.DEAD
        client.process.backend = 0
        return not self._observer.await_end(client.backend, bound_s=self._bound_s)
