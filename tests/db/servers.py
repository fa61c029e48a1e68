"""Python children that own a server, and what can be seen of servers from outside."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

CHILD = """
import json, os, sys, time
from pathlib import Path
from harness.targets.durable import DurableTarget
from harness.targets.embedded import EmbeddedTarget
options = json.loads(sys.argv[1])
forks = options.pop("forks")
crashes = options.pop("crashes", False)
kind = DurableTarget if crashes else EmbeddedTarget
target = kind(cache=Path(options.pop("cache")), place=Path(options.pop("place")), **options)
if crashes:
    target.crash_server()
forked = 0
if forks:
    if os.fork() == 0:
        sys.exit()  # with exit handlers, as a child of multiprocessing that ends
    os.wait()
    forked = os.fork()
    if forked == 0:
        os.close(1)
        time.sleep(600)
        os._exit(0)
print(json.dumps({
    "folder": str(target.folder), "server": target.pid, "forked": forked, "conninfo": target.conninfo("postgres"),
    "uid": os.stat(target.data_directory).st_uid, "version": target.server_version}), flush=True)
sys.stdin.read()
target.close()
"""


@dataclass(slots=True)
class Child:
    """A Python process that owns a server, and ends when its standard input does."""

    process: subprocess.Popen[str]
    said: dict[str, Any] = field(default_factory=dict)

    def ready(self) -> Child:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the child did not start a server"
        self.said = json.loads(line)
        return self

    @property
    def folder(self) -> Path:
        return Path(self.said["folder"])

    def answers(self) -> bool:
        with psycopg.connect(self.said["conninfo"]) as conn:
            return conn.execute("SELECT 1").fetchone() == (1,)

    def remains(self) -> list[psutil.Process]:
        return servers_of(self.folder)


def servers_of(folder: Path) -> list[psutil.Process]:
    """Processes, zombies aside, that serve (or watch over) the data directory in a run folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if str(folder / "data") in (process.info["cmdline"] or ()):
            found.append(process)
    return found


PATIENCE_S = 300.0
"""How long a test waits before it takes something for hanging: it says nothing about how long that may take."""


def lives(process: psutil.Process | int) -> bool:
    """Whether it, or one with this number, runs."""
    try:
        found = psutil.Process(process) if isinstance(process, int) else process
        return found.is_running() and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # perhaps gone between two questions
        return False


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Wait for a condition, no longer than that; whether it came true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
