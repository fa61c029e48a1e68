"""A campaign on a real Dask scheduler and real worker processes, of which one is killed meanwhile: the same result, and
nothing is left on the workers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from servers import lives, within
from struck import BOUND_S, ROOT, Command, scenario

LONG = "strategy: random_walk, schedules: 500"
Started = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Started]:
    """``start("scheduler" or "worker", …)``: one more process of Dask's."""
    processes: list[subprocess.Popen[str]] = []

    def started(*arguments: str) -> subprocess.Popen[str]:
        log = (tmp_path / f"dask-{len(processes)}.txt").open("w")
        command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
        processes.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, text=True))
        log.close()
        return processes[-1]

    yield started
    for process in reversed(processes):
        process.kill()  # a worker that cannot say good-bye to its scheduler may take minutes over it
        process.wait()


@pytest.fixture
def address(start: Started, tmp_path: Path) -> str:
    """Of a scheduler."""
    file = tmp_path / "scheduler.json"
    start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
    assert within(BOUND_S, file.exists)
    found: dict[str, Any] = {}
    assert within(BOUND_S, lambda: bool(found.update(_read(file)) or found))
    return str(found["address"])


def _read(file: Path) -> dict[str, Any]:
    try:
        read: dict[str, Any] = json.loads(file.read_text())
    except ValueError:  # it is being written
        return {}
    return read


@pytest.fixture
def worker(start: Started, address: str, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """One more worker of the scheduler's, without a process that would start it again."""

    def started(*options: str) -> subprocess.Popen[str]:
        where = ("--local-directory", str(tmp_path))
        return start("worker", address, "--nthreads", "1", "--no-nanny", *where, *options)

    return started


def servers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """PostgreSQL and the workers of a Dask worker."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def figures(found: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on who is faster."""
    [one] = found["scenarios"]
    return {key: value for key, value in one.items() if "elapsed" not in key and "seconds" not in key}


def test_a_worker_lost_in_mid_campaign_changes_nothing(
    tmp_path: Path, address: str, worker: Callable[..., subprocess.Popen[str]]
) -> None:
    file = scenario(tmp_path, "purse", LONG)
    with Command("run", "--jobs", "1", file, out=tmp_path / "alone") as alone:
        assert alone.ended()[0] == 0
    workers = [worker(), worker()]
    with Command("run", "--cluster", address, file, out=tmp_path / "out") as command:
        command.awaits(lambda: all(len(servers_of(w)) > 8 for w in workers))
        there = [process for w in workers for process in servers_of(w)]
        workers[0].kill()
        command.look()
        code, _, errors = command.ended()
    assert (code, errors) == (0, "")
    assert figures(command.results()) == figures(alone.results())
    assert within(BOUND_S, lambda: not [p for p in there if lives(p)])
    command.left_nothing()


def test_workers_of_another_version_are_refused(
    tmp_path: Path, address: str, worker: Callable[..., subprocess.Popen[str]]
) -> None:
    old = tmp_path / "old.py"
    old.write_text("import harness\nharness.__version__ = '0.0.1'\n")
    worker("--preload", str(old))
    with Command("run", "--cluster", address, scenario(tmp_path, "purse", LONG), out=tmp_path / "out") as command:
        code, _, errors = command.ended()
    assert code == 2
    assert "has refund-harness 0.0.1, here is" in errors
    assert errors.count("\n") == 1
    command.left_nothing()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cluster", "here:1"], "harness: --cluster 'here:1': give tcp://HOST:PORT or tls://HOST:PORT, or local"),
        (["--cluster", "tcp://127.0.0.1"], "harness: --cluster 'tcp://127.0.0.1': give tcp://HOST:PORT"),
        (["--cluster", "tls://127.0.0.1:1"], "harness: --cluster tls://127.0.0.1:1: Dask's configuration names no"),
        (["--cluster", "local", "--pg-bin", "/usr/bin"], "harness: --cluster goes without --pg-bin"),
        (["--cluster", "tcp://127.0.0.1:1"], "harness: --cluster tcp://127.0.0.1:1: no scheduler answers there"),
        (["--cluster", "local", "--target", "service=x"], "harness: --cluster goes with --target embedded only"),
    ],
)
def test_what_is_no_cluster_is_said_in_a_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    with Command("run", *arguments, scenario(tmp_path, "purse", LONG), out=tmp_path / "out") as command:
        code, _, errors = command.ended()
    assert code == 2
    assert errors.startswith(said)
    assert errors.count("\n") == 1
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []
