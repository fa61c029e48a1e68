"""The controller's side of worker processes: made by the nursery, kept between executions, replaced after a crash."""

from __future__ import annotations

import array
import atexit
import contextlib
import os
import select
import signal
import socket
import subprocess
import time
from typing import Protocol, Self

from harness.driver.forked import fork_nursery, may_fork
from harness.driver.interpreter import start_interpreter
from harness.driver.wire import Message, Wire
from harness.errors import DriverError

REPLY_BOUND_S = 30.0
"""How long any reply of a worker or the nursery may take before the harness gives up."""
_LEAVE_BOUND_S = 2.0


class SessionLostError(DriverError):
    """A session has ended since the last execution, though nothing of what was done to it there could end it."""


class WorkerProcess:
    """One worker process. ``pid`` is the operating system's, ``backend`` its server process's (0: not connected)."""

    def __init__(self, pid: int, sock: socket.socket) -> None:
        self.pid, self.backend = pid, 0
        self.wire = Wire(sock)
        self._kept: list[Message | None] = []
        self._pings = 0
        self.waits: list[Message] = []
        """What the server has told of waits for locks in the statement in hand, so far as it has been passed on."""
        self.alive = True
        self.session: tuple[str, str | None] | None = None
        """To what its session is connected, and the role in which it last began."""
        self.called = False
        """It has been told to begin, and the answer is still to come."""
        self.turn = 0
        """The number of the gate that its session reached last."""
        self.kept: tuple[object, ...] = ()
        """How its session began, when nothing but statements has befallen it since: then it stands as it is known to,
        and need not be asked."""
        self._beginning: Message | None = None
        self.first: Message = {}
        """What it was sent along with that."""
        self.dirty = False
        """Its session holds something that a statement left there."""

    def ask(self, message: Message) -> Message:
        """Send and wait for the reply. Raises `DriverError` when the process is gone or silent."""
        self.send(message)
        reply = self.receive()
        if reply is None:
            raise DriverError(f"worker process {self.pid} died by itself")
        return reply

    def borrow(self, message: Message) -> tuple[Message, list[socket.socket]]:
        """Send, and wait for a reply with the sockets that come along, which belong to the caller. Nothing else may be
        on the way. Raises `DriverError` as `ask` does."""
        self.send(message)
        borrowed = self.wire.borrow()
        if borrowed is None:
            raise DriverError(f"worker process {self.pid} died by itself")
        reply, descriptors = borrowed
        return reply, [socket.socket(fileno=d) for d in descriptors]

    def begin_later(self, message: Message) -> None:
        """To be sent along with the first statement, or not at all: a message saved, and its answer. Should the session
        not be the one that it is known to be, nothing is done, and who takes the answer meets `SessionLostError`."""
        self._beginning = message

    def begin_never(self) -> bool:
        """Let that be; whether it was still to come."""
        owed, self._beginning = self._beginning is not None, None
        return owed

    def send(self, message: Message) -> None:
        try:
            if self._beginning is not None:
                self.first = message
                message, self._beginning = {**message, "begin": self._beginning}, None
            self.wire.send(message)
        except TimeoutError:
            raise DriverError(f"worker process {self.pid} was silent for {REPLY_BOUND_S:.0f} s") from None
        except OSError:
            self.alive = False
            raise DriverError(f"worker process {self.pid} died by itself") from None

    def caught_up(self) -> bool:
        """Whether there is no message on the way from it: to be asked when its backend is known to sleep. What was on
        the way is the next to be received."""
        if self._kept:
            return False
        self._pings += 1
        self.send({"do": "ping", "number": self._pings})
        first = self.take()
        while first is not None and first.get("pong", self._pings) != self._pings:
            first = self.take()  # the late answer to an earlier question
        if first is not None and "pong" in first:
            return True
        self._kept.append(first)
        return False

    def answers(self, bound_s: float) -> bool:
        """Whether something that can be taken comes within so many seconds (its end counts; a late answer to
        `caught_up` does not). It is the next to be received."""
        deadline = time.monotonic() + bound_s
        while not self._kept:
            left = max(deadline - time.monotonic(), 0)
            if not self.wire.pending and not select.select([self.wire], [], [], left)[0]:
                return False
            message = self.take()
            if message is None or "pong" not in message:
                self._kept.append(message)
        return True

    @property
    def pending(self) -> bool:
        """A message can be taken without waiting."""
        return self.wire.pending or bool(self._kept)

    def receive(self) -> Message | None:
        """The next message that is no late answer to `caught_up`; None when the process is dead."""
        while (message := self.take()) is not None and "pong" in message:
            pass
        return message

    def take(self) -> Message | None:
        """The next message, whatever it is; None when the process is dead."""
        if self._kept:
            return self._kept.pop(0)
        try:
            message = self.wire.receive()
        except TimeoutError:
            raise DriverError(f"worker process {self.pid} was silent for {REPLY_BOUND_S:.0f} s") from None
        if message is None:
            self.alive = False
            return None
        if "gate" in message:
            self.turn = message["gate"]
        if "waits" in message:
            self.waits += message.pop("waits")
        if "begun" in message:
            raise SessionLostError(f"worker process {self.pid} has lost its session")
        return message

    def signal(self, number: signal.Signals) -> None:
        """Deliver a real signal."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone: its sockets are closed by then."""
        self.signal(signal.SIGKILL)
        self.await_death()

    def await_death(self) -> None:
        """Wait for the end of a process that was told to die."""
        while self.receive() is not None:
            pass
        self.wire.close()

    def dismiss(self) -> None:
        """Hang up: it leaves at once, whatever it waits for."""
        with contextlib.suppress(OSError):  # dead already
            self.wire.sock.shutdown(socket.SHUT_WR)


class Nursery(Protocol):
    """The process that makes workers, as `subprocess.Popen` has it."""

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...


_forked: list[tuple[Nursery, socket.socket]] = []
"""Nurseries that no pool has taken yet, each with our end of its socket."""


def fork_nurseries(count: int) -> None:
    """Make the nurseries of the next ``count`` pools now, while this process has one thread; where that cannot be, each
    pool starts its own. Those that nobody takes end with this process."""
    for _ in range(count if may_fork() else 0):
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                _forked.append((fork_nursery(theirs), ours))
            except OSError:  # no processes or no memory left: the pool will say so
                ours.close()
                return


@atexit.register
def _end_forked() -> None:
    while _forked:
        nursery, control = _forked.pop()
        _end_nursery(nursery, control)


def _end_nursery(nursery: Nursery, control: socket.socket) -> None:
    control.close()
    try:
        nursery.wait(timeout=5)
    except subprocess.TimeoutExpired:
        nursery.kill()
        nursery.wait()


class WorkerPool:
    """Worker processes of one controller; a context manager that leaves none behind."""

    _nursery: Nursery
    _control: socket.socket

    def __init__(self) -> None:
        self._workers: list[WorkerProcess] = []
        self._open_nursery()

    def _open_nursery(self) -> None:
        if _forked:
            self._nursery, self._control = _forked.pop()
            self._control.settimeout(REPLY_BOUND_S)
            return
        ours, theirs = socket.socketpair()
        with theirs:
            self._nursery = start_interpreter("harness.driver.nursery", theirs)
        ours.settimeout(REPLY_BOUND_S)
        self._control = ours

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self, count: int) -> list[WorkerProcess]:
        """``count`` living worker processes, the same ones as last time where they still live."""
        self._workers = [w for w in self._workers if w.alive]
        while len(self._workers) < count:
            self._workers.append(self._fork())
        return self._workers[:count]

    def disconnect(self) -> None:
        """Make every worker close its connection."""
        for worker in self._workers:
            if worker.alive and worker.backend:
                worker.ask({"do": "disconnect"})
                worker.backend = 0

    def close(self) -> None:
        """End all workers and the nursery. Idempotent."""
        alive = [w for w in self._workers if w.alive]
        self._workers = []
        for worker in alive:
            worker.dismiss()
        for worker in alive:
            worker.wire.sock.settimeout(_LEAVE_BOUND_S)
            try:
                worker.await_death()
            except DriverError:  # stopped from outside, perhaps
                worker.kill()
        self._close_nursery()

    def _close_nursery(self) -> None:
        _end_nursery(self._nursery, self._control)

    def _fork(self) -> WorkerProcess:
        if self._nursery.poll() is not None:  # somebody has killed it; nothing of this execution hangs on it yet
            self._renew_nursery()
        try:
            return self._forked()
        except DriverError:
            self._renew_nursery()  # whoever asked is told; the next one gets a nursery that works
            raise

    def _renew_nursery(self) -> None:
        self._close_nursery()
        with contextlib.suppress(OSError):  # no process can be made now: whoever asks next is told
            self._open_nursery()

    def _forked(self) -> WorkerProcess:
        ours, theirs = socket.socketpair()
        ours.settimeout(REPLY_BOUND_S)
        with theirs:
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()]))
            try:
                self._control.sendmsg([b"f"], [rights])
                reply = b""
                while not reply.endswith(b"\n"):
                    chunk = self._control.recv(32)
                    if not chunk:
                        raise ConnectionResetError
                    reply += chunk
                pid = int(reply)  # else the words of the system's refusal
            except TimeoutError:
                ours.close()
                raise DriverError(
                    f"the process that makes workers did not answer within {REPLY_BOUND_S:.0f} s"
                ) from None
            except OSError:
                ours.close()
                raise DriverError("the process that makes workers died") from None
            except ValueError:
                ours.close()
                raise DriverError(f"no process can be made for a worker: {reply.decode().strip()}") from None
        return WorkerProcess(pid, ours)
