"""Several tasks at a time, each with worker processes that no other one uses; results in the order given."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Self, TypeVar

from harness.driver.pool import WorkerPool

Result = TypeVar("Result")


class Tasks:
    """``jobs`` threads, each task with a pool of worker processes to itself. A context manager; when it is left by an
    exception ``stop`` is set, and tasks that have not begun never do."""

    def __init__(self, jobs: int, stop: Event) -> None:
        self._stop = stop
        self._executor = ThreadPoolExecutor(jobs, thread_name_prefix="task")
        self._made: list[WorkerPool] = []
        self._free: queue.SimpleQueue[WorkerPool] = queue.SimpleQueue()
        try:
            for _ in range(jobs):
                self._made.append(WorkerPool())
                self._free.put(self._made[-1])
        except BaseException:
            self._close()
            raise

    def each(self, tasks: Sequence[Callable[[WorkerPool], Result]]) -> Iterator[Result]:
        """The result of every task, in order, as soon as all before it are there too. Raises what a task raises."""

        def one(task: Callable[[WorkerPool], Result]) -> Result:
            pool = self._free.get()
            try:
                return task(pool)
            finally:
                self._free.put(pool)

        futures = [self._executor.submit(one, task) for task in tasks]
        for future in futures:
            yield future.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._stop.set()
        self._close()

    def _close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
        for pool in self._made:
            pool.close()
