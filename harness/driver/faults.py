"""Faults done to worker processes, with real signals."""

from __future__ import annotations

import signal
import time

from harness.driver.client import Client, State
from harness.driver.observer import Observer
from harness.driver.recorder import Recorder
from harness.errors import DriverError
from harness.model import EventKind, OnSigterm


class Faults:
    """Strikes workers and writes down what that means for the operation they had in flight.

    ``bound_s``: how long anything may take. Each fault returns True when the worker's backend lives on because it
    waits for a lock: it has not noticed, and goes on when it is set free.
    """

    def __init__(self, observer: Observer, recorder: Recorder, *, bound_s: float) -> None:
        self._observer, self._recorder, self._bound_s = observer, recorder, bound_s

    def kill(self, client: Client) -> bool:
        """SIGKILL, wherever the worker is."""
        in_flight = client.state in (State.BLOCKED, State.PARKED)
        client.process.kill()
        self._leave_gate(client)
        return self._bury(client, "SIGKILL", in_flight)

    def terminate(self, client: Client) -> bool:
        """SIGTERM: the worker leaves at once, or finishes what it has in hand."""
        in_flight = client.state in (State.BLOCKED, State.PARKED)
        client.process.signal(signal.SIGTERM)
        if client.worker.on_sigterm is OnSigterm.FINISH:
            self._recorder.note(EventKind.SIGTERM, client.name, message="SIGTERM; it finishes what it has in hand")
            return False
        client.process.await_death()
        self._recorder.note(EventKind.SIGTERM, client.name)
        self._leave_gate(client)
        return self._bury(client, "ended by SIGTERM", in_flight)

    def lose_answer(self, client: Client) -> bool:
        """The statement takes effect; SIGKILL strikes the worker before it has read the answer."""
        name = client.statement.name
        self._recorder.note(EventKind.INVOKE, client.name, name, sql=client.statement.sql)
        before = self._observer.session(client.backend)
        client.process.ask({"do": "send", "sql": client.statement.sql})
        deadline = time.monotonic() + self._bound_s
        while True:
            now = self._observer.session(client.backend)
            if now is None or (now[0] != "active" and before is not None and now[1] != before[1]):
                break
            if time.monotonic() > deadline or self._observer.waits([client.backend])[client.backend]:
                raise DriverError(f"{client.choice}!killed: the statement waits for a lock, so it cannot take effect")
            time.sleep(0.0002)
        self._recorder.note(EventKind.INFO, client.name, name, message="took effect; the answer was never read")
        client.process.kill()
        return self._bury(client, f"SIGKILL after {name} took effect, before its answer was read", in_flight=False)

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
