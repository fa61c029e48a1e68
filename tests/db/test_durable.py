"""The durable server: what it acknowledged outlives its crashes, and it goes as the other one does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from servers import PATIENCE_S, Child, servers_of, within

from harness.errors import TargetError
from harness.targets.account import server_account
from harness.targets.durable import DurableTarget
from harness.targets.places import disk_place, run_places, runs_place
from harness.targets.runfolder import sweep

StartChild = Callable[..., Child]
Crash = Callable[[DurableTarget, int], None]
CRASHES: dict[str, Crash] = {
    "backend": lambda target, backend: target.crash_backend(backend),
    "server": lambda target, _: target.crash_server(),
}


@pytest.fixture(scope="module")
def durable() -> Iterator[DurableTarget]:
    with DurableTarget() as target, _connected(target) as conn:
        conn.execute("CREATE TABLE kept (how text); CREATE UNLOGGED TABLE forgotten (how text)")
        conn.execute("CHECKPOINT")
        yield target


def _connected(target: DurableTarget) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(target.conninfo("postgres"), autocommit=True)


def _rows(target: DurableTarget, table: str) -> list[object]:
    with _connected(target) as conn:
        return [how for (how,) in conn.execute(f"SELECT how FROM {table} ORDER BY how".encode())]


@pytest.mark.parametrize("crash", CRASHES)
def test_what_was_acknowledged_is_there_and_what_was_open_is_not(durable: DurableTarget, crash: str) -> None:
    with _connected(durable) as conn, _connected(durable) as other:
        conn.execute("INSERT INTO kept VALUES ('acknowledged ' || %s)", [crash])
        conn.execute("INSERT INTO forgotten VALUES ('acknowledged')")
        other.execute("BEGIN")
        other.execute("INSERT INTO kept VALUES ('open')")
        conn.execute("SET synchronous_commit = off")
        conn.execute("INSERT INTO kept VALUES ('not on the disk')")
        CRASHES[crash](durable, conn.info.backend_pid)
        for lost in (conn, other):
            with pytest.raises(psycopg.OperationalError):
                lost.execute("SELECT 1")
    assert f"acknowledged {crash}" in _rows(durable, "kept")
    assert not {"open", "not on the disk"} & set(_rows(durable, "kept"))
    assert _rows(durable, "forgotten") == []


def test_it_waits_for_its_disk(durable: DurableTarget) -> None:
    with _connected(durable) as conn:
        shown = [conn.execute(f"SHOW {name}".encode()).fetchone() for name in ("fsync", "full_page_writes")]
        assert shown == [("on",), ("on",)]
        assert conn.execute("SHOW synchronous_commit").fetchone() == ("on",)
    assert durable.folder.parent == disk_place()


def test_a_backend_that_there_is_not_crashes_nothing(durable: DurableTarget) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with _connected(durable) as conn:
        with pytest.raises(TargetError, match=f"there is no backend {gone.pid} to kill"):
            durable.crash_backend(gone.pid)
        assert conn.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("watchdog", [False, True], ids=["pdeathsig", "watchdog"])
def test_after_a_crash_it_still_ends_with_its_owner(start_child: StartChild, open_folder: Path, watchdog: bool) -> None:
    child = start_child(watchdog=watchdog, crashes=True)
    assert child.answers()
    child.process.kill()
    assert within(PATIENCE_S, lambda: not child.remains())
    assert not (child.folder / ".s.PGSQL.5432").exists()
    assert sweep(open_folder, server_account()) == [child.folder]


def test_closed_after_a_crash_it_leaves_nothing(open_folder: Path) -> None:
    target = DurableTarget(place=open_folder)
    target.crash_server()
    target.close()
    assert not target.folder.exists()
    assert servers_of(target.folder) == []


def test_wherever_run_folders_may_be_they_are_swept() -> None:
    assert {runs_place(), disk_place()} == set(run_places())
