"""A worker that was given its next statements sends them by itself, and no more once it is told to halt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from harness.driver.client import Client
from harness.driver.doors import Doors
from harness.driver.gatekeeper import Gatekeeper
from harness.driver.plan import Points
from harness.driver.pool import WorkerPool, WorkerProcess
from harness.model import Footprint, Script, Statement, StatementKind, Worker
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

Connection = psycopg.Connection[Any]
TABLE = "CREATE TABLE seen (n int); CREATE TABLE door (n int); INSERT INTO door VALUES (0)"
ONE, TWO = "INSERT INTO seen VALUES (1)", "INSERT INTO seen VALUES (2)"


@pytest.fixture(scope="module")
def conninfo(target: EmbeddedTarget, databases: Databases) -> Iterator[str]:
    name = databases.clone(databases.template([Script(name="table", text=TABLE)]))
    yield target.conninfo(name)
    databases.drop(name)


@pytest.fixture
def look(conninfo: str) -> Iterator[Connection]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("TRUNCATE seen")
        yield connection


@pytest.fixture
def worker(conninfo: str) -> Iterator[WorkerProcess]:
    with WorkerPool() as pool:
        [process] = pool.take(1)
        begun = {"do": "begin", "conninfo": conninfo, "role": None, "wipe": False, "sigterm": "exit", "owned": True}
        assert "ready" in process.ask(begun)
        yield process


def seen(look: Connection) -> list[int]:
    return [n for (n,) in look.execute("SELECT n FROM seen ORDER BY n").fetchall()]


def test_each_statement_is_reported_by_itself(worker: WorkerProcess, look: Connection) -> None:
    worker.send({"do": "run", "sql": ONE, "then": [TWO, "SELECT 3 AS three"]})
    replies = [worker.receive() or {} for _ in range(3)]
    assert [r["tag"] for r in replies] == ["INSERT 0 1", "INSERT 0 1", "SELECT 1"]
    assert replies[2]["ok"] == [{"three": 3}]
    assert seen(look) == [1, 2]


def test_behind_an_error_nothing_is_sent(worker: WorkerProcess, look: Connection) -> None:
    worker.send({"do": "run", "sql": "SELECT 1/0", "then": [ONE, TWO]})
    assert (worker.receive() or {})["sqlstate"] == "22012"
    assert worker.ask({"do": "run", "sql": "SELECT 4"})["tag"] == "SELECT 1"
    assert seen(look) == []


@pytest.mark.parametrize("number", range(20))
def test_whoever_waits_is_halted_before_its_wait_ends(
    number: int, worker: WorkerProcess, look: Connection, conninfo: str
) -> None:
    """The next message is on its way before the worker is behind its statement: it is obeyed in its turn."""
    with psycopg.connect(conninfo) as holder:
        holder.execute("UPDATE door SET n = 1")
        worker.send({"do": "run", "sql": "UPDATE door SET n = 2", "then": [ONE, TWO]})
        while not look.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():
            pass
        worker.send({"do": "halt"})
        worker.send({"do": "ping", "number": number + 1})
        holder.commit()
    assert worker.receive() == {"ok": [], "tag": "UPDATE 1", "tx": 0}
    assert worker.ask({"do": "run", "sql": "SELECT 4"})["tag"] == "SELECT 1"
    assert seen(look) == []


def test_what_was_halted_once_goes_on_the_next_time(worker: WorkerProcess, look: Connection) -> None:
    worker.send({"do": "halt"})
    worker.send({"do": "run", "sql": ONE, "then": [TWO]})
    assert [(worker.receive() or {})["tag"] for _ in range(2)] == ["INSERT 0 1", "INSERT 0 1"]
    assert seen(look) == [1, 2]


DEFERRED = Footprint(writes=frozenset({"seen"}))


@pytest.mark.parametrize(
    ("kind", "commit", "opened"),
    [
        (StatementKind.BEGIN, DEFERRED, 0),
        (StatementKind.BEGIN, Footprint(), 0),
        (StatementKind.QUERY, Footprint(), 2),
        (StatementKind.COMMIT, DEFERRED, 2),
        (StatementKind.COMMIT, Footprint(), 0),
        (StatementKind.ROLLBACK, DEFERRED, 0),
    ],
)
def test_no_gate_stands_open_for_a_statement_that_has_none(
    conninfo: str, kind: StatementKind, commit: Footprint, opened: int
) -> None:
    """Behind a BEGIN the next statement may be under way already: it would run through the gate before it is shut."""
    backend, statement = 4242, Statement(name="s", sql="", kind=kind)
    client = Client(
        worker=Worker(name="w", statements=(statement,)), process=WorkerProcess.__new__(WorkerProcess), backend=backend
    )
    keeper = Gatekeeper(conninfo)
    try:
        keeper.hold(backend, client.turn + 1)
        doors = Doors(keeper, Points(sites={}, entry=lambda _, __: Footprint(), commit=commit), [client])
        doors.open(client, 2, alone=True)
        assert keeper.held(backend) - (client.turn + 1) == opened
    finally:
        keeper.close()
