"""The worker processes of a soak, all busy at once, and what is done to them.

A worker sends its next statement when the last one's answer has been read here: an acknowledgement has left the worker
before it goes on, and outlives it.
"""

from __future__ import annotations

import random
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from harness.db import is_connection_loss, is_trouble
from harness.driver.pool import WorkerPool, WorkerProcess
from harness.driver.wire import Message
from harness.errors import DriverError
from harness.soak.calls import ROLE, call
from harness.soak.log import Log
from harness.soaked import Fault, Job, Kind, Operation

STUCK_S = 60.0
"""How long an operation may take before it counts as one that will never end."""
_LOOK_S = 0.05
_FORGETTING = 0.05
"""Weight of the latest call in the average of how long calls take."""


@dataclass(slots=True, kw_only=True)
class _Slot:
    """A place in the fleet; its process is replaced when it was killed."""

    number: int
    process: WorkerProcess
    kind: Kind = Kind.CHARGE
    job: Job | None = None
    """None: idle."""
    begin: float = 0.0
    fault: Fault | None = None
    due: float = 0.0
    struck: Fault | None = None
    """What was done to the operation under way."""


class Stuck(Exception):
    """An operation took longer than `STUCK_S`; carries it."""

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation.kind.value)
        self.operation = operation


Next = Callable[[int], tuple[Kind, Job, Fault | None] | None]


class Fleet:
    """``count`` workers on the database of ``conninfo``. ``control``: an autocommit connection of the same role, for
    pg_terminate_backend and pg_cancel_backend. ``clock``: seconds since the soak began."""

    def __init__(
        self, pool: WorkerPool, count: int, conninfo: str, control: psycopg.Connection[Any], log: Log, *, seed: int,
        clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self._pool, self._conninfo, self._control, self._log = pool, conninfo, control, log
        self._clock, self._moments = clock, random.Random(f"{seed}/moments")
        self._selector = selectors.DefaultSelector()
        self._slots = [_Slot(number=n, process=p) for n, p in enumerate(pool.take(count))]
        for slot in self._slots:
            self._begin(slot)
        self._number = 0
        self._typical_s = 0.002

    def work(self, next_: Next, done: Callable[[Operation], None], tick: Callable[[], None]) -> None:
        """Keep every worker busy until ``next_`` gives None to each; then wait for what is under way. ``done`` is told
        of every operation, ``tick`` called every now and then. Raises `Stuck`."""
        for slot in self._slots:
            self._give(slot, next_)
        while any(s.job is not None for s in self._slots):
            for key, _ in self._selector.select(self._patience()):
                answered: _Slot = key.data
                self._answered(answered, answered.process.take(), done)
                self._give(answered, next_)
            for slot in self._slots:
                if slot.job is not None and slot.fault is not None and self._clock() >= slot.due:
                    self._strike(slot, done)
                    self._give(slot, next_)
                elif slot.job is not None and self._clock() - slot.begin > STUCK_S:
                    raise Stuck(self._operation(slot, "info", "no answer"))
            tick()

    def close(self) -> None:
        self._selector.close()

    def _patience(self) -> float:
        """Until the next fault is due, but no longer than a look around may wait."""
        due = [s.due - self._clock() for s in self._slots if s.job is not None and s.fault is not None]
        return max(0.0, min([_LOOK_S, *due]))

    def _begin(self, slot: _Slot) -> None:
        ready = slot.process.ask(
            {"do": "begin", "conninfo": self._conninfo, "role": ROLE, "wipe": False, "sigterm": "exit", "owned": False}
        )
        if "ready" not in ready:
            raise DriverError(f"a worker cannot connect: {ready.get('lost') or ready.get('error')}")
        slot.process.backend = ready["ready"]
        self._selector.register(slot.process.wire, selectors.EVENT_READ, slot)

    def _give(self, slot: _Slot, next_: Next) -> None:
        if slot.job is not None or (given := next_(slot.number)) is None:
            return
        slot.kind, slot.job, slot.fault = given
        slot.struck = None
        slot.begin = self._clock()
        # Anywhere in a call, and sometimes after its answer: then it is the next call's beginning that is hit.
        slot.due = slot.begin + self._moments.uniform(0, 1.5 * self._typical_s) if slot.fault else 0.0
        slot.process.send({"do": "run", "sql": call(slot.kind, slot.job)})

    def _answered(self, slot: _Slot, reply: Message | None, done: Callable[[Operation], None]) -> None:
        if slot.job is None:
            raise DriverError(f"worker process {slot.process.pid} died by itself")
        if reply is None:
            raise DriverError(f"worker process {slot.process.pid} died in a call, and nobody had killed it")
        if slot.fault is not None and slot.struck is None:
            self._strike(slot, done, reply)
            return
        self._finish(slot, reply, done)
        if "lost" in reply:
            self._selector.unregister(slot.process.wire)
            slot.process.ask({"do": "disconnect"})
            self._begin(slot)

    def _strike(self, slot: _Slot, done: Callable[[Operation], None], reply: Message | None = None) -> None:
        """Do the fault that is due. ``reply``: the answer came before it."""
        fault = slot.fault
        assert fault is not None
        slot.struck, slot.fault = fault, None
        self._log.fault(fault, self._clock())
        if fault is Fault.KILL:
            self._kill(slot, reply, done)
            return
        function = "pg_terminate_backend" if fault is Fault.TERMINATE else "pg_cancel_backend"
        self._control.execute(f"SELECT {function}(%s)", [slot.process.backend])
        if reply is not None:
            self._answered(slot, reply, done)

    def _kill(self, slot: _Slot, reply: Message | None, done: Callable[[Operation], None]) -> None:
        process = slot.process
        self._selector.unregister(process.wire)
        process.signal(signal.SIGKILL)
        # What it had told before it died is still on the way: an acknowledgement counts, whatever came after.
        while (told := process.receive()) is not None:
            reply = told
        process.wire.close()
        self._finish(slot, reply or {"lost": "worker killed"}, done)
        known = {id(s.process) for s in self._slots}
        [slot.process] = [p for p in self._pool.take(len(self._slots)) if id(p) not in known]
        self._begin(slot)

    def _finish(self, slot: _Slot, reply: Message, done: Callable[[Operation], None]) -> None:
        if "ok" in reply:
            [row] = reply["ok"] or [{}]
            operation = self._operation(slot, "ok", next(iter(row.values()), None))
            self._typical_s += _FORGETTING * (operation.end_s - operation.begin_s - self._typical_s)
        elif "error" in reply and not is_connection_loss(reply["sqlstate"]):
            if is_trouble(reply["sqlstate"]):
                raise DriverError(f"the server failed at a {slot.kind.value}: {reply['error']} ({reply['sqlstate']})")
            operation = self._operation(slot, "fail", reply["error"], reply["sqlstate"] or "")
        else:
            operation = self._operation(slot, "info", reply.get("lost") or reply.get("error"), reply.get("sqlstate"))
        slot.job, slot.fault = None, None
        done(operation)

    def _operation(self, slot: _Slot, outcome: str, answer: Any, sqlstate: str | None = "") -> Operation:
        assert slot.job is not None
        self._number += 1
        return Operation(
            number=self._number, worker=slot.number + 1, kind=slot.kind, job=slot.job, begin_s=slot.begin,
            end_s=self._clock(), outcome=outcome, answer=answer, sqlstate=sqlstate or "", fault=slot.struck,
        )  # fmt: skip


def clock() -> Callable[[], float]:
    """Seconds since now."""
    begin = time.monotonic()
    return lambda: time.monotonic() - begin
