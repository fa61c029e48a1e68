"""One shard: a process with a controller and worker processes of its own, on a database of its own.

python -m beside.shard KIND CONNINFO SECONDS

Says "ready" and the ids of its workers; for every line that it is then given it runs for so many seconds, and prints
how many schedules that were. With the end of its input it prints the MiB that its processes hold (the proportional set
size, PostgreSQL apart) and leaves.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import psutil
import psycopg

from beside.held import Held
from beside.orders import KINDS, TABLES, Ours
from harness.driver.controller import Controller
from harness.driver.pool import WorkerPool


def main(kind: str, conninfo: str, seconds: float) -> None:
    with WorkerPool() as pool:
        run, controller = made(kind, conninfo, pool)
        warm = time.perf_counter() + 0.3
        while time.perf_counter() < warm:
            run()
        print("ready", *(w.pid for w in pool.take(2)), flush=True)
        for _ in sys.stdin:
            count, begin = 0, time.perf_counter()
            while time.perf_counter() < begin + seconds:
                count += run()
            print(count / (time.perf_counter() - begin), flush=True)
        own = psutil.Process(os.getpid())
        family = [own, *own.children(recursive=True)]
        print(sum(p.memory_full_info().pss for p in family) / 2**20, flush=True)
        controller.close()


def made(kind: str, conninfo: str, pool: WorkerPool) -> tuple[Callable[[], int], Controller]:
    """What runs some schedules and says how many."""
    if kind in KINDS:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(TABLES)
        controller = Controller(pool, conninfo, owned=True)
        rows, chosen, _ = KINDS[kind]
        ours = Ours(controller, rows, chosen)

        def all_of_them() -> int:
            ours.once()
            return len(chosen)

        return all_of_them, controller
    held = Held(kind, conninfo, pool)

    def one() -> int:
        held.once()
        return 1

    return one, held.controller


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
