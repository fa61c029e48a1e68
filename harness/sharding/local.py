"""Shards on this machine: processes of their own, because a campaign's Python is half of its work."""

from __future__ import annotations

import contextlib
import queue
import signal
import socket
import subprocess
import threading
from concurrent.futures import Future
from multiprocessing.connection import Connection

from harness.driver.interpreter import start_interpreter
from harness.errors import DriverError
from harness.sharding.work import Batch, Place, Recorded
from harness.targets.embedded import EmbeddedTarget
from harness.targets.protocol import Target

ATTEMPTS = 3
"""So often a batch is begun whose shard dies of it."""
_LEAVE_BOUND_S = 20.0

_Task = tuple[Batch, "Future[list[Recorded]]"]


def beside(target: Target) -> Place:
    """Another embedded server like ``target``; one that is not embedded, itself."""
    version = target.server_version
    if isinstance(target, EmbeddedTarget):
        return Place(pg_bin=target.binaries.folder, settings=target.settings, server_version=version)
    return Place(target=target.conninfo(target.maintenance_database), server_version=version)


class LocalShards:
    """``width`` processes at most, started when there is work for them."""

    def __init__(self, place: Place, width: int) -> None:
        self._place, self.width = place, width
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._processes: dict[int, _Process] = {}
        self._threads: list[threading.Thread] = []
        self._closed = False
        self.died: list[int] = []
        """Ids of processes that ended before they were told to."""

    @property
    def pids(self) -> tuple[int, ...]:
        """The operating system's ids of the processes that live."""
        with self._lock:
            return tuple(self._processes)

    def submit(self, batch: Batch) -> Future[list[Recorded]]:
        future: Future[list[Recorded]] = Future()
        self._tasks.put((batch, future))
        with self._lock:
            if len(self._threads) < self.width:
                self._threads.append(threading.Thread(target=self._serve, name="shard", daemon=True))
                self._threads[-1].start()
        return future

    def close(self) -> None:
        with self._lock:
            self._closed = True
            processes = list(self._processes.values())
        with contextlib.suppress(queue.Empty):
            while True:
                task = self._tasks.get_nowait()
                if task is not None:
                    task[1].cancel()
        for _ in self._threads:
            self._tasks.put(None)
        for process in processes:
            process.hang_up()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _serve(self) -> None:
        """One shard's thread."""
        process: _Process | None = None
        while (task := self._tasks.get()) is not None:
            batch, future = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                process, found = self._answered(process, batch)
            except Exception as error:
                process = None
                future.set_exception(error)
            else:
                future.set_result(found)
        if process is not None:
            process.hang_up()
            self._ended(process)

    def _answered(self, process: _Process | None, batch: Batch) -> tuple[_Process, list[Recorded]]:
        """By ``process``, or by another one when that is lost; gives the one that lives. Raises `DriverError`."""
        for _ in range(ATTEMPTS):
            process = process or self._started()
            try:
                answer = process.ask(batch)
            except (EOFError, OSError):
                self._lost(process)
                process = None
                if self._closed:
                    break
                continue
            except BaseException:
                process.hang_up()
                self._ended(process)
                raise
            if isinstance(answer, str):
                self._ended(process)
                raise DriverError(f"in a shard: {answer}")
            return process, answer
        raise DriverError(f"{ATTEMPTS} processes died one after the other, executing the same schedules")

    def _started(self) -> _Process:
        try:
            process = _Process(self._place)
        except OSError as error:
            raise DriverError(f"no process can be made for a shard: {error.strerror or error}") from None
        with self._lock:
            self._processes[process.pid] = process
            if self._closed:
                process.hang_up()
        return process

    def _lost(self, process: _Process) -> None:
        if not self._closed:
            self.died.append(process.pid)
        self._ended(process)

    def _ended(self, process: _Process) -> None:
        tidied = process.wait()
        with self._lock:
            del self._processes[process.pid]
            if not tidied and process.pid not in self.died:
                self.died.append(process.pid)


class _Process:
    def __init__(self, place: Place) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._popen = start_interpreter("harness.sharding.serve", theirs)
        self._connection: Connection[object, object] = Connection(ours.detach())
        self.pid = self._popen.pid
        with contextlib.suppress(OSError):  # it is dead already, as whoever asks it will find
            self._connection.send(place)

    def ask(self, batch: Batch) -> list[Recorded] | str:
        self._connection.send(batch)
        answer = self._connection.recv()
        assert isinstance(answer, list | str)
        return answer

    def hang_up(self) -> None:
        """Whatever it is at."""
        self._popen.send_signal(signal.SIGTERM)

    def wait(self) -> bool:
        """Until it is gone; whether it went by itself."""
        self._connection.close()
        try:
            self._popen.wait(_LEAVE_BOUND_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
            return False
        return True
