"""Clients that know nothing of the proxy, in front of a real server: everything passes unchanged, faults strike."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import generators
from psycopg.conninfo import make_conninfo

from harness.targets.embedded import EmbeddedTarget
from harness.wire import BlackHole, Delay, Drop, End, LoseAnswer, Proxy, Side, Trigger, What

BOUND_S = 120.0
Connection = psycopg.Connection[Any]
NewDatabase = Callable[..., Connection]


@dataclass(frozen=True, kw_only=True)
class Database:
    db: Connection
    conninfo: str


@pytest.fixture
def database(new_database: NewDatabase, target: EmbeddedTarget) -> Database:
    db = new_database()
    db.execute("CREATE TABLE t (n integer, body text)")
    return Database(db=db, conninfo=target.conninfo(db.info.dbname))


def rows(database: Database) -> list[Any]:
    return database.db.execute("SELECT n FROM t ORDER BY n").fetchall()


@pytest.fixture(params=["socket", "tcp"])
def through(request: pytest.FixtureRequest, database: Database) -> Iterator[Connection]:
    """A session in autocommit through a proxy without faults, either way in."""
    with Proxy(database.conninfo, tcp=True) as proxy:
        conninfo = proxy.conninfo if request.param == "socket" else proxy.tcp_conninfo
        with psycopg.connect(conninfo, autocommit=True) as conn:
            yield conn


def test_large_messages_pass(through: Connection) -> None:
    body = "ж" * 5_000_000
    cursor = through.execute("INSERT INTO t VALUES (1, %s) RETURNING body", [body])
    assert cursor.fetchone() == (body,)


LINES = "".join(f"{n}\t{'x' * 100}\n" for n in range(20_000))


def copy_simple(conn: Connection) -> None:
    with conn.cursor().copy("COPY t FROM STDIN") as copy:
        copy.write(LINES)


def copy_extended(conn: Connection) -> None:
    """As libpq does it for a COPY with parameters: one Sync too many, which the server ignores."""
    # Not `get_result`: it waits with the GIL held, and the proxy is a thread of this process.
    conn.pgconn.send_query_params(b"COPY t FROM STDIN", None)
    (begun,) = conn.wait(generators.execute(conn.pgconn))
    assert begun.status == psycopg.pq.ExecStatus.COPY_IN
    conn.wait(generators.copy_to(conn.pgconn, LINES.encode(), flush=True))
    done = conn.wait(generators.copy_end(conn.pgconn, None))
    assert done.command_status == b"COPY 20000"


@pytest.mark.parametrize("copy_in", [copy_simple, copy_extended])
def test_copies_pass_and_what_follows_them_is_in_step(
    database: Database, copy_in: Callable[[Connection], None]
) -> None:
    """That the right answer is lost, of those after the copies, shows that rounds were counted right."""
    after = Trigger(side=Side.SERVER, kind="ReadyForQuery", sql="SELECT 7")
    with Proxy(database.conninfo, [Drop(when=after)]) as proxy:
        with psycopg.connect(proxy.conninfo, autocommit=True) as conn:
            copy_in(conn)
            with conn.cursor().copy("COPY (SELECT * FROM t ORDER BY n) TO STDOUT") as copy:
                assert b"".join(copy).decode() == LINES
            with pytest.raises(psycopg.errors.BadCopyFileFormat), conn.cursor().copy("COPY t FROM STDIN") as copy:
                copy.write("1\t2\t3\n")
            assert conn.execute("SELECT 6").fetchone() == (6,)
            with pytest.raises(psycopg.OperationalError):
                conn.execute("SELECT 7")
        assert [strike.detail for strike in proxy.log.strikes()] == ["I"]


@pytest.mark.parametrize("copy_in", [copy_simple, copy_extended])
def test_the_answer_to_a_copy_is_lost_after_the_rows_are_in(
    database: Database, copy_in: Callable[[Connection], None]
) -> None:
    kind = "Query" if copy_in is copy_simple else "Parse"
    with Proxy(database.conninfo, [LoseAnswer(when=Trigger(side=Side.CLIENT, kind=kind, sql="^COPY"))]) as proxy:
        with psycopg.connect(proxy.conninfo, autocommit=True) as conn, pytest.raises(psycopg.OperationalError):
            copy_in(conn)
        (strike,) = proxy.log.strikes()
        assert strike.detail == "COPY 20000"
    assert len(rows(database)) == 20_000


def test_a_copy_is_lost_in_the_middle_of_its_rows(database: Database) -> None:
    with Proxy(database.conninfo, [Drop(when=Trigger(side=Side.CLIENT, kind="CopyData"), passed=1000)]) as proxy:
        with psycopg.connect(proxy.conninfo, autocommit=True) as conn, pytest.raises(psycopg.OperationalError):
            copy_simple(conn)
        assert len(proxy.log.strikes()) == 1
    assert rows(database) == []


def insert_in_three_syncs(conn: Connection) -> None:
    with conn.pipeline() as pipeline:
        for n in range(3):
            conn.execute("INSERT INTO t VALUES (%s)", [n])
            pipeline.sync()


def test_of_several_questions_in_flight_the_right_answer_is_lost(database: Database) -> None:
    """Three rounds leave together. The first is answered and its answer arrives, the second answer is lost; the third
    question had arrived, so it takes effect as well."""
    second = Trigger(side=Side.CLIENT, kind="Execute", sql="^INSERT", nth=2)
    with Proxy(database.conninfo, [LoseAnswer(when=second)]) as proxy:
        with psycopg.connect(proxy.conninfo, autocommit=True) as conn, pytest.raises(psycopg.OperationalError):
            insert_in_three_syncs(conn)
        inserted = [e for e in proxy.log.entries() if e.detail == "INSERT 0 1" and e.kind == "CommandComplete"]
        assert [e.what for e in inserted] == [What.PASSED, What.HELD]
    assert {(0,), (1,)} <= set(rows(database))


def test_a_cancel_request_reaches_a_call_that_waits(database: Database) -> None:
    """It comes on a connection of its own, which must not be counted as anything else."""
    with Proxy(database.conninfo, [Drop(when=Trigger(side=Side.CLIENT, kind="Startup", nth=3))]) as proxy:
        with psycopg.connect(proxy.conninfo) as conn, psycopg.connect(proxy.conninfo) as holder:
            holder.execute("LOCK TABLE t")
            cancelled: list[psycopg.Error] = []

            def wait() -> None:
                try:
                    conn.execute("INSERT INTO t VALUES (1)")
                except psycopg.Error as error:
                    cancelled.append(error)

            waiting = threading.Thread(target=wait)
            waiting.start()
            while not database.db.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():
                assert waiting.is_alive()
            conn.cancel_safe(timeout=BOUND_S)
            waiting.join(BOUND_S)
            assert [type(error) for error in cancelled] == [psycopg.errors.QueryCanceled]
        assert "CancelRequest" in {entry.kind for entry in proxy.log.entries()}
        assert proxy.log.strikes() == ()


def test_passwords_pass_and_are_not_logged() -> None:
    with EmbeddedTarget() as own, psycopg.connect(own.conninfo("postgres"), autocommit=True) as owner:
        owner.execute("CREATE ROLE guest LOGIN PASSWORD 'geheim'")
        hba = own.data_directory / "pg_hba.conf"
        hba.write_text("local all guest scram-sha-256\n" + hba.read_text())
        owner.execute("SELECT pg_reload_conf()")
        with Proxy(own.conninfo("postgres")) as proxy:
            wrong = make_conninfo(proxy.conninfo, user="guest", password="geheimer")
            for _ in range(1000):  # the server reads its file when it gets round to it
                with contextlib.suppress(psycopg.OperationalError):
                    psycopg.connect(wrong).close()
                    continue
                break
            with psycopg.connect(make_conninfo(proxy.conninfo, user="guest", password="geheim")) as conn:
                conn.execute("SELECT 'geheim'")
                conn.execute("SELECT %s", ["geheim"])
            entries = proxy.log.entries()
            assert "28P01" in {entry.detail for entry in entries}
            assert {"Password", "Authentication", "DataRow"} <= {entry.kind for entry in entries}
            assert "geheim" not in repr(entries)


@pytest.mark.parametrize("how", End)
def test_a_reset_is_an_error_like_any_loss(database: Database, how: End) -> None:
    insert = Trigger(side=Side.CLIENT, kind="Query", sql="^INSERT")
    with Proxy(database.conninfo, [Drop(when=insert, how=how)], tcp=True) as proxy:
        with psycopg.connect(proxy.tcp_conninfo, autocommit=True) as conn, pytest.raises(psycopg.OperationalError):
            conn.execute(b"INSERT INTO t VALUES (1)")
        assert len(proxy.log.strikes()) == 1
    assert rows(database) == []


def test_a_delayed_call_still_takes_effect(database: Database) -> None:
    insert = Trigger(side=Side.CLIENT, kind="Query", sql="^INSERT")
    with Proxy(database.conninfo, [Delay(when=insert, seconds=0.05)]) as proxy:
        with psycopg.connect(proxy.conninfo, autocommit=True) as conn:
            conn.execute(b"INSERT INTO t VALUES (1)")
        assert len(proxy.log.strikes()) == 1
    assert rows(database) == [(1,)]


def test_a_server_that_goes_away_says_so_through_the_proxy(database: Database) -> None:
    with Proxy(database.conninfo) as proxy, psycopg.connect(proxy.conninfo, autocommit=True) as conn:
        database.db.execute("SELECT pg_terminate_backend(%s)", [conn.info.backend_pid])
        with pytest.raises(psycopg.errors.AdminShutdown):
            conn.execute("SELECT 1")
        proxy.log.await_entry(What.ENDED, connection=1, timeout_s=BOUND_S)


def test_closing_the_proxy_ends_every_session(database: Database) -> None:
    hole = BlackHole(when=Trigger(side=Side.CLIENT, kind="Query", sql="^INSERT"))
    with Proxy(database.conninfo, [hole]) as proxy:
        conn = psycopg.connect(proxy.conninfo, application_name="through")
        conn.pgconn.send_query(b"INSERT INTO t VALUES (1)")
        proxy.log.await_strikes(1, timeout_s=BOUND_S)
    conn.close()
    sessions = "SELECT pid FROM pg_stat_activity WHERE application_name = 'through'"
    deadline = time.monotonic() + BOUND_S
    while database.db.execute(sessions).fetchall():  # the server notices when it gets round to it
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert rows(database) == []


@pytest.fixture(scope="module")
def fuzzed(target: EmbeddedTarget) -> Iterator[Proxy]:
    """One proxy for all examples; `close` raises if anything went wrong inside."""
    with Proxy(target.conninfo("postgres")) as proxy:
        yield proxy


STARTUP = b"user\0postgres\0database\0postgres\0\0"
TYPED = st.builds(
    lambda kind, body: bytes([kind]) + (len(body) + 4).to_bytes(4, "big") + body,
    st.sampled_from(list(b"BCDEFHPQScdfp")),
    st.binary(max_size=30),
)


@settings(max_examples=60)
@given(garbage=st.binary(max_size=200) | st.lists(TYPED, max_size=8).map(b"".join), began=st.booleans())
def test_garbage_before_a_real_server_ends_that_connection_alone(fuzzed: Proxy, garbage: bytes, began: bool) -> None:
    start = (len(STARTUP) + 8).to_bytes(4, "big") + (196608).to_bytes(4, "big") + STARTUP
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(BOUND_S)
        client.connect(f"{fuzzed.folder}/.s.PGSQL.5432")
        client.sendall((start if began else b"") + garbage)
        client.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while client.recv(65536):
                pass
    with psycopg.connect(fuzzed.conninfo) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
