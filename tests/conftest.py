"""Fixtures that every test may use: one server per test process, and databases on it.

The variable HARNESS_TEST_TARGET names another target than the embedded one (a DSN, ``container:IMAGE``). Scenarios are
run there, too; tests that need a server of ours are marked ``own_server`` and skipped then.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import commands
import hypothesis
import psycopg
import pytest
from hypothesis.internal.conjecture import engine

from harness.db import connect
from harness.driver.pool import WorkerPool
from harness.errors import HarnessError
from harness.model import Script
from harness.targets import Target, open_target
from harness.targets.account import server_account
from harness.targets.binaries import find_binaries
from harness.targets.databases import Databases
from harness.targets.places import cache_place

# How long an example takes is no finding on a busy machine. Every run draws the same, so that none is red by luck;
# `--hypothesis-profile=anew` draws others.
hypothesis.settings.register_profile(
    "suite",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    print_blob=True,
)
hypothesis.settings.register_profile("anew", hypothesis.settings.get_profile("suite"), derandomize=False)
hypothesis.settings.load_profile("suite")
# Nor is how far an example has been shrunk by then.
engine.MAX_SHRINKING_SECONDS = 24 * 3600

# Nor may it matter whether the suite runs where the harness itself would say more than elsewhere.
for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
    os.environ.pop(name, None)

# A shell's background job ignores SIGINT, and so would whatever it starts: here Ctrl-C is to be heard.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ELSEWHERE = os.environ.get("HARNESS_TEST_TARGET", "")

NewDatabase = Callable[..., psycopg.Connection[Any]]
ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "own_server(why): needs a server of ours, and all that may be done there")
    if ELSEWHERE and getattr(config.option, "harness_target", "") is None:
        config.option.harness_target = ELSEWHERE


def pytest_runtest_setup(item: pytest.Item) -> None:
    if ELSEWHERE and (mark := item.get_closest_marker("own_server")):
        pytest.skip(f"needs a server of ours: {mark.args[0]}")


def pytest_report_header() -> str:
    if ELSEWHERE:
        return "PostgreSQL: where HARNESS_TEST_TARGET says"
    try:
        found = find_binaries(server_account(), pg_bin=None, cache=cache_place())
    except HarnessError as error:
        return f"PostgreSQL: {error}"
    return f"PostgreSQL {found.version} ({found.folder})"


@pytest.fixture(scope="session", autouse=True)
def _commands() -> Iterator[None]:
    yield
    commands.close()


@pytest.fixture(scope="session")
def target() -> Iterator[Target]:
    """A server of this test process: an `EmbeddedTarget`, unless HARNESS_TEST_TARGET says otherwise."""
    with open_target(ELSEWHERE or "embedded") as server:
        yield server


@pytest.fixture(scope="session")
def databases(target: Target) -> Iterator[Databases]:
    """Templates and clones on `target`."""
    with Databases(target) as made:
        yield made


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    """Worker processes of a module's tests."""
    with WorkerPool() as made:
        yield made


@pytest.fixture
def new_database(target: Target, databases: Databases) -> Iterator[NewDatabase]:
    """``new_database(*sql_files)``: an autocommit connection to a fresh database with these files installed, in
    order; a second call gives a second database. Closed and dropped after the test."""
    opened: list[tuple[psycopg.Connection[Any], str]] = []

    def make(*sql_files: Path) -> psycopg.Connection[Any]:
        scripts = [Script(name=_relative(path), text=path.read_text(encoding="utf-8")) for path in sql_files]
        name = databases.clone(databases.template(scripts))
        conn = connect(target.conninfo(name), application_name="test")
        opened.append((conn, name))
        return conn

    yield make
    for conn, name in opened:
        conn.close()
        databases.drop(name)


def _relative(path: Path) -> str:
    path = path.resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
