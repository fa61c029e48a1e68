"""A soak that is killed leaves nothing, though it kills and replaces workers all the time."""

from __future__ import annotations

import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from elsewhere import make_roles
from test_killed_runs import Run, sockets

from harness.targets.embedded import EmbeddedTarget

MOMENTS = random.Random(11)


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """A soak that does not end by itself."""
    return [
        *(sys.executable, "-m", "harness", "soak", "--quiet", "--out", str(tmp_path / "reports")),
        *("--seconds", "900", "--workers", "6", "--users", "5"),
    ]


def started(command: list[str]) -> Iterator[Run]:
    run = Run(command)
    yield run
    run.process.kill()
    run.process.communicate()


@pytest.fixture
def soaking(command: list[str]) -> Iterator[Run]:
    yield from started(command)


@pytest.mark.parametrize("moment", [round(MOMENTS.uniform(0.5, 5.0), 2) for _ in range(4)])
def test_sigkill_at_any_moment_leaves_no_process_and_no_socket(soaking: Run, moment: float) -> None:
    soaking.watch(moment)
    folders = soaking.run_folders()
    soaking.process.kill()
    soaking.process.wait()
    soaking.await_nothing_left()
    assert sockets(folders) == []


@pytest.mark.parametrize(("number", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "")])
def test_a_polite_end_leaves_nothing_at_all(
    soaking: Run, tmp_path: Path, number: signal.Signals, code: int, said: str
) -> None:
    while len(soaking.family) < 12:  # the server, its processes, and workers
        assert soaking.process.poll() is None
        soaking.watch(0.5)
    folders = soaking.run_folders()
    assert folders
    soaking.process.send_signal(number)
    _, errors = soaking.process.communicate(timeout=600)
    assert soaking.process.returncode == code
    assert errors == (f"harness: {said}\n" if said else "")
    soaking.await_nothing_left()
    assert [f for f in folders if f.exists()] == []
    assert list((tmp_path / "reports").iterdir()) == []


def test_on_a_server_of_somebody_elses_no_session_and_no_database_is_left(
    command: list[str], target: EmbeddedTarget
) -> None:
    make_roles(target)
    dsn = f"postgresql://postgres@/postgres?host={target.folder}&port=5432"
    with psycopg.connect(target.conninfo("postgres"), autocommit=True) as conn:
        databases = conn.execute("SELECT datname FROM pg_database ORDER BY 1").fetchall()
        ours = "starts_with(datname, 'refund_harness_') AND datname <> ALL (%s)"
        sessions = f"SELECT count(*) FROM pg_stat_activity WHERE {ours}"
        known = [[name for (name,) in databases]]
        for run in started([*command, "--target", dsn]):
            while (conn.execute(sessions.encode(), known).fetchone() or (0,))[0] < 6:
                assert run.process.poll() is None
                run.watch(0.2)
            run.process.send_signal(signal.SIGINT)
            run.process.communicate(timeout=600)
            assert run.process.returncode == 130
            assert conn.execute(sessions.encode(), known).fetchone() == (0,)
            assert conn.execute("SELECT datname FROM pg_database ORDER BY 1").fetchall() == databases
