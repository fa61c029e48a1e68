"""How long `harness run` takes, what it keeps in memory, and what a controlled execution costs over plain calls.

    python benchmarks/run_time.py [RUNS]

Prints, on this machine: the wall time of a whole run of the shipped scenarios (median of RUNS, default 5); the peak
memory of the harness's own processes (controller, nursery, workers; proportional set size, PostgreSQL apart); and
executions of `double_workers` per second, as a ratio to the same set-up, calls and checks made one after the other by
one plain connection, measured beside it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from harness.driver.names import Names
from harness.driver.pool import WorkerPool
from harness.model import Scenario
from harness.resources import shipped
from harness.scenario import load_scenario
from harness.sqltext import Template
from harness.stage import Stage
from harness.strategies.random_walk import RandomWalk
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

EXECUTIONS = 300


def whole_run(*, sample: bool = False) -> tuple[float, float]:
    """(seconds, peak MiB of the harness's own processes) of one `harness run`; sampling memory costs time."""
    with tempfile.TemporaryDirectory() as out:
        begin = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", "run", "--quiet", "--out", out], stdout=subprocess.DEVNULL
        )
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, _own_memory(process.pid)) if sample else 0.0
            time.sleep(0.02)
        if process.returncode:
            raise SystemExit(f"harness run ended with {process.returncode}")
        return time.perf_counter() - begin, peak


def _own_memory(pid: int) -> float:
    total = 0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return 0.0
    for process in family:
        try:
            if "postgres" not in process.name():
                total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 2**20


@contextmanager
def stage_of(scenario: Scenario) -> Iterator[tuple[Stage, WorkerPool]]:
    with EmbeddedTarget() as target, Databases(target) as databases, WorkerPool() as pool:
        stage = Stage(scenario, target, databases, pool)
        try:
            yield stage, pool
        finally:
            stage.close()


def executions_per_second(scenario: Scenario) -> tuple[float, float, list[int]]:
    """(controlled executions/s, plain ones/s, pids of the worker processes)."""
    with stage_of(scenario) as (stage, pool):
        strategy = RandomWalk(0)
        begin = time.perf_counter()
        for number in range(EXECUTIONS):
            strategy.start()
            stage.execute(strategy, number, seed=0)
            stage.invariants(number)
        controlled = EXECUTIONS / (time.perf_counter() - begin)
        setup = [Template(s.text) for s in scenario.setup]
        calls = [Template(s.sql) for w in scenario.workers for s in w.statements]
        connection = stage.controller.observer.connection
        begin = time.perf_counter()
        for number in range(EXECUTIONS, 2 * EXECUTIONS):
            names = Names(scenario.users, scenario.jobs, number)
            for template in (*setup, *calls):
                connection.execute(template.render(names.values).encode(), prepare=False)
            stage.invariants(number)
        plain = EXECUTIONS / (time.perf_counter() - begin)
        return controlled, plain, [w.pid for w in pool.take(len(scenario.workers))]


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    _, memory = whole_run(sample=True)  # warms the cache, too
    times = sorted(whole_run()[0] for _ in range(runs))
    print(f"{os.cpu_count()} processors, {runs} runs of all shipped scenarios")
    print(f"harness run: median {statistics.median(times):.1f} s, {times[0]:.1f} to {times[-1]:.1f} s")
    print(f"peak memory of its own processes: {memory:.0f} MiB")
    scenario = load_scenario(Path(shipped("scenarios")) / "double_workers.yaml")
    controlled, plain, pids = executions_per_second(scenario)
    print(f"double_workers: {controlled:.0f} controlled executions/s by worker processes {pids}")
    print(f"the same set-up, calls and checks on one plain connection: {plain:.0f}/s; ratio {plain / controlled:.1f}")


if __name__ == "__main__":
    main()
