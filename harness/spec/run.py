"""The permutations of a spec, carried out one after another."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from psycopg import pq
from psycopg.pq import abc

from harness.driver.observer import COPYING, Observer
from harness.errors import HarnessError, ScenarioError, TargetError, UsageError, UserSqlError
from harness.spec.form import Block, Notices, Once, Spec, Turn, Until
from harness.spec.printing import Printer, Sink
from harness.spec.sessions import Connection
from harness.spec.waits import FIRST_LOOK_S, PATIENCE_S, Waits

LIMIT_S = 300.0
_VARIABLE = "PGISOLATIONTIMEOUT"
_DONE = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)


def limit_s() -> float:
    """After how many seconds a step is cancelled; after twice that the run is given up. Raises `UsageError`."""
    text = os.environ.get(_VARIABLE)
    if text is None:
        return LIMIT_S
    if not text.strip().isdecimal() or not int(text):
        raise UsageError(f"{_VARIABLE}={text}: give a number of seconds from 1 on")
    return float(text)


def run_spec(spec: Spec, conninfo: str, sink: Sink, *, limit: float = LIMIT_S) -> None:
    """Carry out ``spec`` in the database of ``conninfo``; ``sink`` gets what isolationtester prints. ``limit`` in
    seconds, see `limit_s`. Raises `UsageError` for SQL or markers that do not work out, `TargetError` for a server
    that does not answer."""
    printer = Printer(sink)
    printer.read(spec)
    # As for isolationtester, which leaves the name to libpq's variable.
    application = os.environ.get("PGAPPNAME", "")
    with ExitStack() as stack, ThreadPoolExecutor() as pool:

        def opened(name: str, hear: Callable[[bytes], None]) -> Connection:
            connection = Connection(conninfo, name, application=application, hear=hear)
            stack.callback(connection.close)
            return connection

        def observing() -> Observer:
            observer = Observer(conninfo)
            stack.callback(observer.close)
            return observer

        # All at once: most of the time that a short spec takes is the server's, over new sessions.
        look = pool.submit(observing)
        first = pool.submit(opened, "control connection", _unheard)
        others = [pool.submit(opened, session.name, partial(printer.notice, session.name)) for session in spec.sessions]
        pool.shutdown()
        observer, control, sessions = look.result(), first.result(), [other.result() for other in others]
        runner = _Runner(spec, control, sessions, Waits(observer, spec, sessions), printer, limit)
        for turns in spec.orders():
            runner.run(turns)


def _unheard(_: bytes) -> None:
    """The control connection's notices are nobody's."""


@dataclass(slots=True, eq=False)
class _Underway:
    """A turn whose step was sent and has not been reported as complete. ``needed``: by marker, how many notices its
    session must have sent in all."""

    turn: Turn
    session: Connection
    needed: dict[Notices, int] = field(default_factory=dict)


class _Runner:
    def __init__(
        self,
        spec: Spec,
        control: Connection,
        sessions: Sequence[Connection],
        waits: Waits,
        printer: Printer,
        limit: float,
    ) -> None:
        self._spec, self._control, self._sessions = spec, control, sessions
        self._waits, self._printer, self._limit = waits, printer, limit
        self._active: dict[int, _Underway] = {}
        """By session, what it is at."""
        self._waiting: list[_Underway] = []
        """Those that were reported as waiting, the longest first."""

    def run(self, turns: tuple[Turn, ...]) -> None:
        self._printer.starting(turns)
        for block in self._spec.setup:
            self._set_up(self._control, block, "setup failed")
        for session, connection in zip(self._spec.sessions, self._sessions, strict=True):
            if session.setup is not None:
                self._set_up(connection, session.setup, f"setup of session {session.name} failed")
        for turn in turns:
            self._take(turn)
        self._complete_waiting(may_wait=False)
        if self._waiting:
            raise self._stuck("failed to complete permutation due to mutually-blocking steps", self._waiting[0])
        for session, connection in zip(self._spec.sessions, self._sessions, strict=True):
            if session.teardown is not None:
                self._done(connection, session.teardown, f"teardown of session {session.name} failed")
        if self._spec.teardown is not None:
            self._done(self._control, self._spec.teardown, "teardown failed")

    def _take(self, turn: Turn) -> None:
        """Send a turn's step, once its session is free, and see what completes."""
        self._free(turn.step.session)
        session = self._sessions[turn.step.session]
        self._waits.before(session, turn.step.sql)
        if refused := session.send(turn.step.sql):
            self._printer.say(f"failed to send query for step {turn.step.name}: {refused}\n")
            raise self._wrong(turn, f"step {turn.step.name} cannot be sent: {refused.strip()}")
        sent = _Underway(turn, session)
        self._active[turn.step.session] = sent
        for marker in turn.markers:
            if isinstance(marker, Notices):
                sent.needed[marker] = marker.count + self._sessions[marker.step.session].notices
        waits = not self._completes(sent, may_wait=True, first=True)
        self._complete_waiting(may_wait=True)
        if waits:
            self._waiting.append(sent)

    def _free(self, index: int) -> None:
        """Wait until a session has completed what it is at."""
        since = time.monotonic()
        while (earlier := self._active.get(index)) is not None:
            if self._completes(earlier, may_wait=False):
                self._waiting.remove(earlier)
            else:
                time.sleep(FIRST_LOOK_S)  # a marker holds it, and others must move first
            self._complete_waiting(may_wait=True)
            if (still := self._active.get(index)) and time.monotonic() - since > 2 * self._limit:
                raise self._timed_out(still, time.monotonic() - since)

    def _complete_waiting(self, *, may_wait: bool) -> None:
        """See which of those that wait have completed, again and again as long as one may unblock another."""
        while True:
            before, heard = len(self._waiting), self._heard()
            for sent in list(self._waiting):
                if self._completes(sent, may_wait=may_wait):
                    self._waiting.remove(sent)
            held = any(self._held(sent) for sent in self._waiting)
            if not held or (len(self._waiting) == before and self._heard() == heard):
                return

    def _completes(self, sent: _Underway, *, may_wait: bool, first: bool = False) -> bool:
        """Whether a step is over and is reported so. ``may_wait``: it need not be. ``first``: it was just sent."""
        at_once = first and Once() in sent.turn.markers
        if at_once or not self._answered(sent, may_wait=may_wait) or self._held(sent):
            if first:
                self._printer.waiting(sent.turn)
            return False
        self._printer.completed(sent.turn, waited=not first)
        for result in sent.session.results():
            if result.status in COPYING:
                raise self._wrong(sent.turn, f"step {sent.turn.step.name}: COPY from or to the client: use INSERT")
            self._printer.result(result)
        for message in sent.session.notifications():
            self._printer.notification(sent.session.name, message, self._sender(message))
        del self._active[sent.turn.step.session]
        return True

    def _answered(self, sent: _Underway, *, may_wait: bool) -> bool:
        """Wait for the answer; False when the session waits for another one and may."""
        session = sent.session
        begun = heard = time.monotonic()
        pause, cancelled = FIRST_LOOK_S, False
        while session.busy:
            if session.readable(pause):
                session.take()
                heard = time.monotonic()
                continue
            if may_wait and self._waits.waits(session, time.monotonic() - heard):
                session.take()  # what it said before it began to wait has arrived by now
                return not session.busy
            passed = time.monotonic() - begun
            if passed > self._limit and not cancelled:
                cancelled = True
                session.cancel()
                self._printer.canceling(sent.turn, passed)
            if passed > 2 * self._limit:
                raise self._timed_out(sent, passed)
            pause = min(2 * pause, PATIENCE_S)
        return True

    def _held(self, sent: _Underway) -> bool:
        """Whether a marker keeps a step from being reported as complete."""
        for marker in sent.turn.markers:
            if isinstance(marker, Until):
                other = self._active.get(marker.step.session)
                if other is not None and other.turn.step == marker.step:
                    return True
            if isinstance(marker, Notices) and self._sessions[marker.step.session].notices < sent.needed[marker]:
                return True
        return False

    def _heard(self) -> int:
        return sum(session.notices for session in self._sessions)

    def _sender(self, message: pq.PGnotify) -> str:
        names = {session.pid: session.name for session in reversed(self._sessions)}
        return names.get(message.be_pid, f"PID {message.be_pid}")

    def _set_up(self, connection: Connection, block: Block, trouble: str) -> None:
        failed = self._done(connection, block, trouble)
        if failed is not None:
            raise self._refused(block, trouble, failed)

    def _done(self, connection: Connection, block: Block, trouble: str) -> abc.PGresult | None:
        """Run a block and print its table. One that fails is told as ``trouble``, and its result given: for a teardown
        that is all."""
        result = connection.run(block.sql)
        if result.status in COPYING:
            raise self._refused(block, f"{trouble}: COPY from or to the client: use INSERT")
        if result.status == pq.ExecStatus.TUPLES_OK:
            self._printer.table(result)
        elif result.status not in _DONE:
            self._printer.trouble(f"{trouble}: ", result.error_message)
            return result
        return None

    def _refused(self, block: Block, trouble: str, result: abc.PGresult | None = None) -> UserSqlError:
        place, message = block.place, trouble
        if result is not None:
            field = result.error_field
            message += (
                f": {(field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message).decode(errors='replace')}"
            )
            if position := field(pq.DiagnosticField.STATEMENT_POSITION):
                place = place.after(block.sql[: int(position) - 1])
        return UserSqlError(f"{self._spec.file}:{place.line}:{place.column}", " ".join(message.split()))

    def _wrong(self, turn: Turn, message: str) -> ScenarioError:
        place = turn.step.place
        return ScenarioError(self._spec.file, place.line, place.column, message)

    def _timed_out(self, sent: _Underway, seconds: float) -> HarnessError:
        """The server's fault, which did not even cancel the step, or that of the markers, which hold a step that its
        own session needs."""
        message = f"step {sent.turn.step.name} timed out after {int(seconds)} seconds"
        if sent.session.busy:
            self._printer.trouble(f"{message}\n")
            return TargetError(f"{self._spec.file}: {message}")
        active = (self._active.get(i) for i in range(len(self._sessions)))
        names = "".join(f" {other.turn.step.name}" for other in active if other is not None)
        return self._stuck(f"{message}\nactive steps are:{names}", sent)

    def _stuck(self, message: str, at: _Underway) -> ScenarioError:
        """The spec's own fault: its markers let nobody go on."""
        self._printer.trouble(f"{message}\n")
        return self._wrong(at.turn, " ".join(message.split()))
