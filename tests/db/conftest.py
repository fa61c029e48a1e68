"""Controllers; folders that a server's account may enter, and Python children that start servers there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from plain_python import OURS, PlainPython, copied_python
from plans import TABLES
from servers import CHILD, PATIENCE_S, Child

from harness.driver.controller import Controller
from harness.driver.pool import WorkerPool
from harness.model import Script
from harness.targets.databases import Databases
from harness.targets.protocol import Target


def _made_folder(mode: int) -> Path:
    """A folder outside pytest's own, which are closed to other users, with a short path."""
    path = Path(tempfile.mkdtemp(prefix="rht-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    path.chmod(mode)
    return path


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may use."""
    path = _made_folder(0o777)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def plain_python() -> Iterator[PlainPython]:
    """A Python that every account may run."""
    path = _made_folder(0o755)
    yield copied_python(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def tables() -> str:
    """What is installed where `controller` is; a module may say otherwise."""
    return TABLES


@pytest.fixture(scope="module")
def controller(target: Target, databases: Databases, pool: WorkerPool, tables: str) -> Iterator[Controller]:
    """A controller of a module's own database."""
    name = databases.clone(databases.template([Script(name="tables", text=tables)]))
    made = Controller(pool, target.conninfo(name), owned=target.at_hand)
    yield made
    made.close()
    pool.disconnect()
    databases.drop(name)


@pytest.fixture
def cache(open_folder: Path) -> Path:
    path = open_folder / "cache"
    path.mkdir()
    path.chmod(0o777)
    return path


@pytest.fixture
def start_child(open_folder: Path, cache: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Child]]:
    """``start_child(user=None, wait=True, forks=False, **options)``: a child with a server in `open_folder`;
    with ``crashes=True`` with a durable one, which it has crashed once."""
    children: list[Child] = []

    def start(*, user: str | None = None, wait: bool = True, forks: bool = False, **options: Any) -> Child:
        arguments = {"cache": str(cache), "place": str(open_folder), "forks": forks, **options}
        python: PlainPython = OURS if user is None else request.getfixturevalue("plain_python")
        process = subprocess.Popen(
            [python.program, "-c", CHILD, json.dumps(arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            user=user,
            group=None if user is None else "nogroup",
            extra_groups=None if user is None else (),
            env={**os.environ, "HOME": str(open_folder), **python.environment},
        )
        child = Child(process)
        children.append(child)
        return child.ready() if wait else child

    yield start
    for child in children:
        try:
            child.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.communicate()
