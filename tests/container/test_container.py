"""`--target container` on a real Docker daemon: it works, and leaves nothing however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from servers import within

from harness.db import connect
from harness.errors import TargetError, UsageError
from harness.targets import open_target
from harness.targets.cleaning import clean_machine
from harness.targets.docker import Leftover, containers, docker_client

ROOT = Path(__file__).parents[2]
IMAGE = os.environ.get("CONTAINER_IMAGE", "refund-harness-test:15")
WHERE = f"container:{IMAGE}"


def ours() -> list[Leftover]:
    client = docker_client()
    with closing(client.client):
        return containers(client)


def _command(out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "harness", "run", "double_workers", "--target", WHERE, "--out", str(out), *more]


def test_it_is_ours_and_goes() -> None:
    with open_target(WHERE) as target:
        assert (target.owned, target.at_hand) == (True, False)
        with connect(target.conninfo(target.maintenance_database), application_name="test") as conn:
            settings = {
                name: conn.execute(f"SHOW {name}".encode()).fetchone() for name in ("fsync", "deadlock_timeout")
            }
        assert settings == {"fsync": ("off",), "deadlock_timeout": ("1ms",)}
        assert target.server_version.startswith("15.")
        assert [c.owner.pid if c.owner else 0 for c in ours()] == [os.getpid()]
    target.close()
    assert ours() == []


def test_a_run_passes_and_a_search_never_claims_to_be_exhausted(tmp_path: Path) -> None:
    done = subprocess.run(_command(tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    asked = subprocess.run(
        _command(tmp_path, "--require", "exhausted", "--strategy", "exhaustive"),
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert asked.returncode == 3, asked.stdout + asked.stderr
    assert ours() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_end_leaves_no_container(tmp_path: Path, number: signal.Signals) -> None:
    run = subprocess.Popen(_command(tmp_path, "--strategy", "random_walk", "--schedules", "100000"), cwd=ROOT)
    try:
        assert within(120, lambda: len(ours()) == 1)
        run.send_signal(number)
        assert run.wait(120) == 128 + number
    finally:
        run.kill()
        run.wait()
    assert ours() == []


def test_what_a_killed_run_leaves_is_removed(tmp_path: Path) -> None:
    run = subprocess.Popen(_command(tmp_path, "--strategy", "random_walk", "--schedules", "100000"), cwd=ROOT)
    assert within(120, lambda: len(ours()) == 1)
    assert [c.ok and "stays" in c.said for c in clean_machine(dry_run=False) if c.kind == "container"] == [True]
    run.kill()
    run.wait()
    assert ["would be removed" in c.said for c in clean_machine(dry_run=True) if c.kind == "container"] == [True]
    assert ["removed" in c.said for c in clean_machine(dry_run=False) if c.kind == "container"] == [True]
    assert ours() == []


def test_without_an_image_it_is_one_line() -> None:
    with pytest.raises(TargetError, match=r"^Docker refused: "):
        open_target("container:refund-harness-test:no-such-version")
    with pytest.raises(UsageError, match=r"not the name of an image"):
        open_target("container:postgresql://me@host/app")


def test_without_docker_it_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        _command(tmp_path), cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "DOCKER_HOST": "unix:///nowhere"},
    )  # fmt: skip
    assert done.returncode == 4
    assert done.stderr.startswith("harness: no Docker daemon answers (")
    assert done.stderr.endswith("): start it, or set DOCKER_HOST\n")


def test_without_the_extra_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['testcontainers.core.docker_client'] = None; sys.argv[1:] = "
        "['run', 'double_workers', '--target', 'container']; from harness.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "harness: --target container needs testcontainers: pip install 'refund-harness[container]'\n"
    )
