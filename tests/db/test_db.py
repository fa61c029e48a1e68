"""Scripts, blockers, and what an error says about the connection."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest
from servers import PATIENCE_S, within

from harness.db import apply_script, blocking_pids, connect, is_connection_loss
from harness.errors import TargetError, UserSqlError
from harness.model import Script
from harness.targets.embedded import EmbeddedTarget


@pytest.fixture
def conn(new_database: Any) -> psycopg.Connection[Any]:
    connection: psycopg.Connection[Any] = new_database()
    return connection


def _apply(conn: psycopg.Connection[Any], text: str) -> None:
    apply_script(conn, Script(name="sql/it.sql", text=text))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("SELEC 1", "sql/it.sql:1:1"),
        ("CREATE TABLE t (i int);\n\n  SELECT nothing;\n", "sql/it.sql:3:10"),
        ("-- größer → €😀\nSELECT 'ß', nothing", "sql/it.sql:2:13"),
        ("SELECT 1;\r\nSELECT (", "sql/it.sql:2:9"),
        ("CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$\nBEGIN\n  IF THEN\nEND $$", "sql/it.sql:3:6"),
        ("SELECT 1;\nSELECT 'a\0b'", "sql/it.sql:2:10"),
    ],
)
def test_an_error_names_file_line_and_column(conn: psycopg.Connection[Any], text: str, where: str) -> None:
    with pytest.raises(UserSqlError) as caught:
        _apply(conn, text)
    assert caught.value.where == where
    assert str(caught.value).startswith(f"{where}: ")
    assert "\n" not in str(caught.value)


def test_an_error_without_position_names_the_file_and_the_context(conn: psycopg.Connection[Any]) -> None:
    with pytest.raises(
        UserSqlError, match=r"^sql/it\.sql: no .*\[PL/pgSQL function inline_code_block line 1"
    ) as caught:
        _apply(conn, "SELECT 1; DO $$ BEGIN RAISE 'no' USING ERRCODE = 'ZZ001'; END $$")
    assert caught.value.sqlstate == "ZZ001"


def test_a_script_is_all_or_nothing(conn: psycopg.Connection[Any]) -> None:
    with pytest.raises(UserSqlError):
        _apply(conn, "CREATE TABLE t (i int); SELECT nothing")
    row = conn.execute("SELECT to_regclass('t')").fetchone()
    assert row == (None,)


def test_a_script_may_be_run_often_and_hold_percent_signs(conn: psycopg.Connection[Any]) -> None:
    _apply(conn, "CREATE TABLE t (i int)")
    for _ in range(7):
        _apply(conn, "INSERT INTO t VALUES (5 % 3); INSERT INTO t SELECT 1 WHERE 'a' LIKE '%s'")
    assert conn.execute("SELECT count(*) FROM t").fetchone() == (7,)


@pytest.mark.parametrize("text", ["", "-- nothing\n", "BEGIN; CREATE TABLE t (i int); COMMIT;"])
def test_a_script_may_be_empty_or_hold_its_own_transaction(conn: psycopg.Connection[Any], text: str) -> None:
    _apply(conn, text)
    assert conn.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


def test_a_script_must_end_its_transaction(conn: psycopg.Connection[Any]) -> None:
    with pytest.raises(UserSqlError, match=r"^sql/it\.sql: opens a transaction"):
        _apply(conn, "BEGIN; CREATE TABLE t (i int)")
    with pytest.raises(UserSqlError, match=r"nothing"):
        _apply(conn, "BEGIN; SELECT nothing; COMMIT")
    assert conn.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


def test_copy_from_stdin_is_refused_in_words(conn: psycopg.Connection[Any]) -> None:
    with pytest.raises(UserSqlError, match=r"^sql/it\.sql: .*COPY"):
        _apply(conn, "CREATE TABLE t (i int); COPY t FROM stdin;")


def test_a_connection_that_breaks_is_not_the_scripts_fault(conn: psycopg.Connection[Any]) -> None:
    with pytest.raises(TargetError, match=r"connection lost while running sql/it\.sql"):
        _apply(conn, "SELECT pg_terminate_backend(pg_backend_pid())")


def test_connect_fails_in_one_line(target: EmbeddedTarget) -> None:
    with pytest.raises(TargetError, match=r"^cannot connect: .*absent") as caught:
        connect(target.conninfo("absent"), application_name="test")
    assert "\n" not in str(caught.value)


def test_blocking_pids(target: EmbeddedTarget, conn: psycopg.Connection[Any]) -> None:
    conn.execute("CREATE TABLE t (i int)")
    with connect(target.conninfo(conn.info.dbname), application_name="waiter") as waiter:
        waiter_pid = waiter.info.backend_pid
        assert blocking_pids(conn, waiter_pid) == ()
        conn.execute("BEGIN; LOCK TABLE t")
        thread = threading.Thread(target=waiter.execute, args=["SELECT * FROM t"])
        thread.start()
        try:
            assert within(PATIENCE_S, lambda: blocking_pids(conn, waiter_pid) == (conn.info.backend_pid,))
        finally:
            conn.execute("ROLLBACK")
            thread.join()
        assert blocking_pids(conn, waiter_pid) == ()


@pytest.mark.parametrize("sqlstate", [None, "08006", "57P01", "57P02", "57P03", "25P03"])
def test_the_session_is_gone(sqlstate: str | None) -> None:
    assert is_connection_loss(sqlstate)


@pytest.mark.parametrize("sqlstate", ["00000", "23505", "40001", "40P01", "57014", "55P03"])
def test_the_session_lives_on(sqlstate: str) -> None:
    assert not is_connection_loss(sqlstate)
