"""A run that is killed leaves nothing: not after SIGKILL, not after Ctrl-C, not after SIGTERM."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from servers import PATIENCE_S, lives, within

from harness.targets.places import runs_place

ROOT = Path(__file__).parents[2]
MOMENTS = random.Random(7)


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """A run long enough to be hit in the middle."""
    return [
        *(sys.executable, "-m", "harness", "run", "--quiet", "--out", str(tmp_path)),
        *("--strategy", "random_walk", "--schedules", "3000"),
        *(str(ROOT / "scenarios" / f"{name}.yaml") for name in ("double_workers", "three_workers_one_job")),
    ]


class Run:
    """A running command, and every process that it was ever seen to have."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.family: dict[int, psutil.Process] = {}

    def watch(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            self._look()
            time.sleep(0.01)
        self._look()

    def _look(self) -> None:
        try:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                self.family[child.pid] = child
        except psutil.NoSuchProcess:
            pass  # the command itself has ended

    def run_folders(self) -> set[Path]:
        """Folders that its servers were started in."""
        found = set()
        for child in self.family.values():
            try:
                arguments = child.cmdline()
            except psutil.Error:
                continue
            if "-D" in arguments:
                found.add(Path(arguments[arguments.index("-D") + 1]).parent)
        return found

    def server_is_up(self) -> set[Path]:
        """Wait until it has a server and workers; the server's folder."""
        while len(self.family) < 8:
            assert self.process.poll() is None
            self.watch(0.5)
        return self.run_folders()

    def left(self) -> list[psutil.Process]:
        return [p for p in self.family.values() if lives(p)]

    def await_nothing_left(self) -> None:
        assert within(PATIENCE_S, lambda: not self.left()), self.left()


@pytest.fixture
def started(command: list[str]) -> Iterator[Run]:
    run = Run(command)
    yield run
    run.process.kill()
    run.process.communicate()


def sockets(folders: set[Path]) -> list[Path]:
    # A run beside this one may sweep the dead run's folder just now: `os.walk` passes over what has gone, rglob raises.
    found = [Path(at, name) for folder in folders for at, _, names in os.walk(folder) for name in names]
    return [path for path in found if path.is_socket()]


@pytest.mark.parametrize("moment", [round(MOMENTS.uniform(0.2, 4.0), 2) for _ in range(10)])
def test_sigkill_at_any_moment_leaves_no_process_and_no_socket(started: Run, moment: float) -> None:
    started.watch(moment)
    folders = started.run_folders()
    started.process.kill()
    started.process.wait()
    started.await_nothing_left()
    assert sockets(folders) == []


def test_the_folder_of_a_killed_run_is_swept_by_the_next(started: Run, tmp_path: Path) -> None:
    folders = started.server_is_up()
    started.process.kill()
    started.process.wait()
    started.await_nothing_left()
    subprocess.run(
        [sys.executable, "-m", "harness", "run", "-q", "--out", str(tmp_path), "scenarios/legacy_double_refund.yaml"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=600,
    )
    assert [f for f in folders if f.exists()] == []


@pytest.mark.parametrize(("number", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "")])
def test_a_polite_end_leaves_nothing_at_all(started: Run, number: signal.Signals, code: int, said: str) -> None:
    folders = started.server_is_up()
    started.process.send_signal(number)
    _, errors = started.process.communicate(timeout=PATIENCE_S)
    assert started.process.returncode == code
    assert errors == (f"harness: {said}\n" if said else "")
    started.await_nothing_left()
    assert [f for f in folders if f.exists()] == []


def test_two_runs_at_once_do_not_collide(tmp_path: Path) -> None:
    commands = [
        [sys.executable, "-m", "harness", "run", "-q", "--out", str(tmp_path), "scenarios/double_workers.yaml"]
    ] * 3
    running = [
        subprocess.Popen(c, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for c in commands
    ]
    for process in running:
        _, errors = process.communicate(timeout=600)
        assert (process.returncode, errors) == (0, "")
    assert len([p for p in tmp_path.iterdir() if p.is_dir() and not p.is_symlink()]) == 3


def test_folders_are_where_we_look_for_them() -> None:
    assert runs_place().is_dir()
