"""Workers are processes of their own, and none outlives its controller, however that ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from servers import PATIENCE_S, lives, within

from harness.driver.pool import WorkerPool, WorkerProcess
from harness.targets.embedded import EmbeddedTarget

CONTROLLER = """
import json, os, signal, sys
from harness.driver.pool import WorkerPool
count, end = int(sys.argv[1]), sys.argv[2]
pool = WorkerPool()
workers = pool.take(count)
print(json.dumps([pool._nursery.pid, *(w.pid for w in workers)]), flush=True)
if end == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if end == "raises":
    with pool:
        raise RuntimeError
if end == "forgets":
    sys.exit()
"""


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    with WorkerPool() as made:
        yield made


def gone(*pids: int) -> bool:
    """Whether they are gone, or go within the bound."""
    return within(PATIENCE_S, lambda: not any(lives(pid) for pid in pids))


def begin(worker: WorkerProcess, target: EmbeddedTarget) -> None:
    message = {"do": "begin", "conninfo": target.conninfo("postgres"), "role": None, "wipe": False}
    worker.backend = worker.ask({**message, "sigterm": "exit", "owned": True})["ready"]


def test_each_worker_is_a_process_of_its_own_and_is_kept(pool: WorkerPool) -> None:
    pids = [w.pid for w in pool.take(3)]
    assert len({*pids, psutil.Process().pid}) == 4
    assert all(lives(pid) for pid in pids)
    assert [w.pid for w in pool.take(3)] == pids
    assert [w.pid for w in pool.take(2)] == pids[:2]


def test_only_the_killed_one_is_replaced(pool: WorkerPool) -> None:
    one, two = pool.take(2)
    one.kill()
    assert gone(one.pid)
    three, four = pool.take(2)
    assert (three, four.pid not in (one.pid, two.pid)) == (two, True)


def test_killed_workers_leave_no_zombies(pool: WorkerPool) -> None:
    [worker] = pool.take(1)
    nursery = psutil.Process(worker.pid).parent()
    assert nursery is not None
    for _ in range(5):
        pool.take(1)[0].kill()
    assert within(PATIENCE_S, lambda: nursery.children() == [])


@pytest.mark.parametrize("busy", ["idle", "in a statement", "stopped backend", "large statement to a stopped backend"])
def test_a_worker_leaves_when_the_controllers_end_closes(pool: WorkerPool, target: EmbeddedTarget, busy: str) -> None:
    [worker] = pool.take(1)
    begin(worker, target)
    if busy == "in a statement":
        worker.send({"do": "run", "sql": "SELECT pg_sleep(600)"})
    if "stopped" in busy:
        psutil.Process(worker.backend).send_signal(signal.SIGSTOP)
        worker.send({"do": "run", "sql": f"SELECT length('{'x' * (8_000_000 if 'large' in busy else 1)}')"})
    worker.wire.close()
    worker.alive = False
    assert gone(worker.pid)
    if "stopped" in busy:  # it was set going again
        assert within(PATIENCE_S, lambda: not lives(worker.backend) or running(worker.backend))


def running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:  # it went between two looks
        return False


def test_a_statement_goes_on_when_only_its_worker_is_killed(pool: WorkerPool, target: EmbeddedTarget) -> None:
    [worker] = pool.take(1)
    begin(worker, target)
    worker.send({"do": "run", "sql": "SELECT pg_sleep(600)"})
    with psycopg.connect(target.conninfo("postgres"), autocommit=True) as conn:
        asleep = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
        assert within(PATIENCE_S, lambda: conn.execute(asleep, [worker.backend]).fetchone() is not None)
        worker.kill()
        assert gone(worker.pid)
        assert conn.execute(asleep, [worker.backend]).fetchone() is not None
        conn.execute("SELECT pg_terminate_backend(%s)", [worker.backend])
    assert gone(worker.backend)


def test_questions_that_come_in_one_piece_with_the_statement_are_answered(
    pool: WorkerPool, target: EmbeddedTarget
) -> None:
    """On a busy machine a worker may wake up when it has been asked twice already."""
    [worker] = pool.take(1)
    begin(worker, target)
    psutil.Process(worker.pid).suspend()
    worker.send({"do": "run", "sql": "SELECT pg_sleep(600)"})
    worker.send({"do": "ping", "number": 1})
    worker.send({"do": "ping", "number": 2})
    psutil.Process(worker.pid).resume()
    while worker.take() != {"pong": 2}:
        pass


def test_nothing_is_left_when_a_pool_closes(target: EmbeddedTarget) -> None:
    pool = WorkerPool()
    workers = pool.take(3)
    nursery = psutil.Process(workers[0].pid).ppid()
    begin(workers[0], target)
    workers[0].send({"do": "run", "sql": "SELECT pg_sleep(600)"})
    pool.close()
    pool.close()
    assert gone(nursery, *(w.pid for w in workers))


def test_a_stopped_worker_does_not_hold_up_the_end() -> None:
    with WorkerPool() as pool:
        [worker] = pool.take(1)
        psutil.Process(worker.pid).suspend()
    assert gone(worker.pid)


@pytest.mark.parametrize("end", ["killed", "raises", "forgets"])
@pytest.mark.parametrize("count", [0, 2])
def test_nothing_outlives_a_controller(end: str, count: int) -> None:
    arguments = [sys.executable, "-c", CONTROLLER, str(count), end]
    child = subprocess.run(arguments, capture_output=True, text=True, check=False)
    pids = json.loads(child.stdout)
    assert len(pids) == count + 1
    assert gone(*pids)
    assert ("Traceback" in child.stderr) == (end == "raises")


def test_what_lies_in_the_current_folder_does_not_matter(tmp_path: Path) -> None:
    for name in ("json", "socket", "harness"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not me')")
    arguments = [sys.executable, "-P", "-c", CONTROLLER, "1", "forgets"]
    child = subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert child.stderr == ""
    assert gone(*json.loads(child.stdout))
