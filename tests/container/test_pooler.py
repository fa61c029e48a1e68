"""A real pgbouncer: in session mode it will do, in the others it is refused in one line."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from elsewhere import databases_of, everything, settle
from servers import within
from spec_runs import expected, printed

from harness.driver.pool import WorkerPool
from harness.model import Search
from harness.scenario import load_scenario
from harness.stage import Stages
from harness.targets.account import server_account
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget
from harness.targets.server import ServerTarget

ROOT = Path(__file__).parents[2]
PGBOUNCER = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"


@pytest.fixture(scope="module")
def theirs() -> Iterator[EmbeddedTarget]:
    with EmbeddedTarget(settings={"max_connections": "100"}) as server:
        settle(server)
        yield server


@contextmanager
def pooled(server: EmbeddedTarget, mode: str, more: str = "") -> Iterator[str]:
    """A DSN by way of a pooler in that mode; ``more``: lines of its settings."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = server.folder / f"{mode}.ini"
    (server.folder / "users").write_text('"supa" ""\n')
    file.write_text(
        f"[databases]\n* = host={server.folder} port=5432\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        f"unix_socket_dir =\nauth_type = trust\nauth_file = {server.folder}/users\npool_mode = {mode}\n"
        f"max_client_conn = 100\ndefault_pool_size = 30\n{more}"
    )
    account = server_account()
    process = subprocess.Popen(
        [PGBOUNCER, "-q", file], user=account.user, group=account.group, extra_groups=account.extra_groups,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    where = f"postgresql://supa@127.0.0.1:{port}/theirs"
    try:
        assert within(30, lambda: _answers(where))
        yield where
    finally:
        process.terminate()
        process.wait()


def _answers(where: str) -> bool:
    try:
        psycopg.connect(where).close()
    except psycopg.OperationalError:
        return False
    return True


def _run(where: str, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", "run", "double_workers", "--schedules", "20", *more]
    return subprocess.run(
        [*command, "--target", where, "--out", str(out)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_a_session_pooler_will_do(theirs: EmbeddedTarget, tmp_path: Path) -> None:
    before = everything(theirs)
    with pooled(theirs, "session") as where:
        done = _run(where, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert databases_of(theirs) == []
    assert everything(theirs) == before


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ("", "unsupported startup parameter"),
        ("ignore_startup_parameters = options\n", "asked for SERIALIZABLE begins at READ COMMITTED"),
    ],
    ids=["refused", "dropped"],
)
def test_levels_that_a_pooler_keeps_from_us_are_errors_and_never_judged(
    theirs: EmbeddedTarget, tmp_path: Path, settings: str, why: str
) -> None:
    with pooled(theirs, "session", settings) as where:
        done = _run(where, tmp_path, "--isolation", "read_committed,serializable")
    assert done.returncode == 4, done.stdout + done.stderr
    [scenario] = json.loads((tmp_path / "latest" / "results.json").read_text())["scenarios"]
    own, other = scenario["isolation"]
    assert (own["level"], own["verdict"]) == ("read_committed", "pass")
    assert (other["level"], other["verdict"], other["schedules"]) == ("serializable", "error", 0)
    assert why in other["meaning"]
    assert databases_of(theirs) == []


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_the_other_poolers_are_refused(theirs: EmbeddedTarget, tmp_path: Path, mode: str) -> None:
    with pooled(theirs, mode) as where:
        done = _run(where, tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "behind a pooler that gives each transaction another session" in done.stderr


def test_a_spec_sees_its_waits_through_a_session_pooler(theirs: EmbeddedTarget) -> None:
    with pooled(theirs, "session") as where, ServerTarget(where) as target, Databases(target) as databases:
        assert printed(target, databases, "double_refund") == expected("double_refund")


def test_threads_are_told_apart_through_a_session_pooler(
    theirs: EmbeddedTarget, pool: WorkerPool, tmp_path: Path
) -> None:
    (tmp_path / "t.sql").write_text("CREATE TABLE t (id int)")
    (tmp_path / "left.yaml").write_text(
        "version: 1\nname: left\ninstall: [t.sql]\norders: [auto]\n"
        "workers: {leaves: {statements: [BEGIN, LOCK TABLE t]}, ends: {statements: [SELECT 1]}}\n"
    )
    scenario = load_scenario(tmp_path / "left.yaml")
    with pooled(theirs, "session") as where, ServerTarget(where) as target, Databases(target) as databases:
        stages = Stages(scenario, target, databases, pool)
        try:
            found = stages.of(Search(strategy="free_running")).released_by_threads(0, seed=0)
        finally:
            stages.close()
    assert found.history.liveness.idle_in_transaction == ("leaves",)
    assert {row["worker"] for row in found.history.liveness.locks} == {"leaves"}
