"""A `harness` command to be struck in mid-run: its processes and sessions, and what it leaves behind."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg
from servers import lives, servers_of, within

ROOT = Path(__file__).parents[2]
BOUND_S = 300.0
"""For what takes a second or two on a machine that is not busy: nobody waits longer, and nobody measures."""
_LOOK_S = 0.1
"""To look through all processes is not cheap."""

SQL = """\
CREATE TABLE purse (owner text PRIMARY KEY, cents integer NOT NULL);
INSERT INTO purse VALUES ('alice', 100);
CREATE FUNCTION take(p_cents integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE had integer;
BEGIN
  SELECT cents INTO had FROM purse WHERE owner = 'alice' FOR UPDATE;
  UPDATE purse SET cents = had - p_cents WHERE owner = 'alice';
  RETURN had - p_cents;
END $$;
CREATE FUNCTION meet_a_full_disk() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full';
END $$;
"""
_SCENARIO = """\
version: 1
name: {name}
about: Two workers take from one purse.
install: [./tiny.sql]
workers:
  one: {{transaction: [SELECT take(1)]}}
  two: {{transaction: [SELECT {call}]}}
orders:
  - {{{search}}}
"""
QUICK = "strategy: exhaustive, points: statements"
ENDLESS = "strategy: random_walk, schedules: 1000000"
"""Inside functions, so that there is a gatekeeper; it ends by being struck."""


def scenario(folder: Path, name: str, search: str = QUICK, *, call: str = "take(2)") -> Path:
    """A scenario file with its SQL beside it."""
    (folder / "tiny.sql").write_text(SQL)
    path = folder / f"{name}.yaml"
    path.write_text(_SCENARIO.format(name=name, search=search, call=call))
    return path


class Command:
    """A running `harness`, with ``--out`` in ``out`` where there is one. A context manager that kills it in the end.

    ``server``: the folder of a server that is not its own. ``bytes_per_file``: it can write no longer files."""

    def __init__(
        self, *arguments: str | Path, out: Path = ROOT, server: Path | None = None, bytes_per_file: int = 0
    ) -> None:
        self.out = out
        where = [] if out is ROOT else ["--out", str(out)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "harness", *map(str, arguments), *where],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            preexec_fn=partial(_prepare, bytes_per_file),
        )  # fmt: skip
        self._known: dict[int, psutil.Process] = {}
        self._server = server
        self._folder: Path | None = None
        self._segments: set[tuple[str, str]] = set()

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def awaits(self, condition: Callable[[], bool]) -> None:
        """Wait until it has come so far."""
        end = time.monotonic() + BOUND_S
        while not condition() and self.process.poll() is None and time.monotonic() < end:
            time.sleep(_LOOK_S)
        assert time.monotonic() < end
        assert self.process.poll() is None, self.process.communicate()

    def is_at(self, name: str) -> None:
        """Wait until it is in the middle of the search of this scenario, and look at its processes."""
        self.awaits(lambda: any(self.out.glob(f"2*/{name}.history.jsonl")))
        self.look()

    def look(self) -> None:
        """Remember its processes."""
        self._known |= {p.pid: p for p in psutil.Process(self.process.pid).children(recursive=True)}
        if self._server is None and self._postmaster() is not None and sys.platform == "linux":
            [key, number] = (self.folder / "data" / "postmaster.pid").read_text().splitlines()[6].split()
            self._segments.add((key, number))

    @property
    def postmaster(self) -> psutil.Process:
        self.awaits(lambda: self._postmaster() is not None)
        found = self._postmaster()
        assert found is not None
        return found

    def _postmaster(self) -> psutil.Process | None:
        for child in psutil.Process(self.process.pid).children():
            if "-D" in (arguments := _arguments(child)):
                self._folder = Path(arguments[arguments.index("-D") + 1]).parent
                return child
        return None

    @property
    def folder(self) -> Path:
        """Where its server's data and socket are."""
        if self._server is not None:
            return self._server
        if self._folder is None:
            assert self.postmaster
        assert self._folder is not None
        return self._folder

    @property
    def nursery(self) -> psutil.Process:
        [found] = self._nurseries()
        return found

    def _nurseries(self) -> list[psutil.Process]:
        """Forked from the command, or started by it."""
        command = psutil.Process(self.process.pid)
        ours = _arguments(command)
        return [p for p in command.children() if _arguments(p) == ours or "-c" in _arguments(p)[1:2]]

    def workers(self) -> list[psutil.Process]:
        return [worker for nursery in self._nurseries() for worker in nursery.children()]

    def backends(self, condition: str) -> list[int]:
        """Process ids of its server's backends for which SQL over pg_stat_activity holds; none before it is up."""
        try:
            conn = psycopg.connect(f"host={self.folder} user=postgres dbname=postgres", autocommit=True)
        except psycopg.OperationalError:
            return []
        with conn:
            query = f"SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND {condition}"
            return [pid for (pid,) in conn.execute(query.encode())]

    def terminate(self, condition: str) -> None:
        """pg_terminate_backend, as an administrator would."""
        found = self.backends(condition)
        assert found
        for pid in found:
            os.kill(pid, signal.SIGTERM)

    def ended(self) -> tuple[int, str, str]:
        """Wait for its end: exit code, what it printed, and its errors. Never a traceback."""
        out, errors = self.process.communicate(timeout=BOUND_S)
        assert "Traceback" not in out + errors, out + errors
        return self.process.returncode, out, errors

    def left_nothing(self) -> None:
        """No process, run folder, socket or shared memory of it is there any more."""
        assert within(BOUND_S, lambda: not [p for p in self._known.values() if lives(p)])
        if self._folder is not None:
            assert servers_of(self._folder) == []
            assert not self._folder.exists()
        assert not self._segments & segments()

    def results(self) -> dict[str, Any]:
        """What it saved, by the name `latest`; nothing beside it is half written."""
        folder = self.out / "latest"
        names = {p.name for p in folder.iterdir()}
        assert {"results.json", "index.html"} <= names
        assert not [n for n in names if n.startswith(".") and n != ".refund-harness-run"]
        read: dict[str, Any] = json.loads((folder / "results.json").read_text())
        return read


def verdicts(results: dict[str, Any]) -> dict[str, str]:
    """Scenario → verdict."""
    return {s["name"]: s["verdict"] for s in results["scenarios"]}


def meanings(results: dict[str, Any]) -> dict[str, str]:
    """Scenario → the sentence on it."""
    return {s["name"]: s["meaning"] for s in results["scenarios"]}


def segments() -> set[tuple[str, str]]:
    """(key, id) of all shared memory of the old kind on this machine."""
    listed = Path("/proc/sysvipc/shm")
    lines = listed.read_text().splitlines()[1:] if listed.exists() else []
    return {(key, number) for key, number, *_ in map(str.split, lines)}


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has just ended
        return []


def _prepare(bytes_per_file: int) -> None:
    if bytes_per_file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_per_file, bytes_per_file))
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever `nohup` began would not hear it
