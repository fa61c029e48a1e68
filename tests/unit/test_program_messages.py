"""What a program asks and is answered, read off PostgreSQL's messages; and what becomes of it as a statement."""

from __future__ import annotations

import struct
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.driver.questions import UNREADABLE, Question, Questions, value_of
from harness.driver.replies import Reply
from harness.gating import Gates
from harness.model import Json, Worker
from harness.programs.composing import Composer, with_values
from harness.sqltext import Catalog
from harness.wire.frames import Framer, Side


def message(kind: str, body: bytes) -> bytes:
    return kind.encode() + struct.pack(">I", len(body) + 4) + body


def parse(sql: str, *types: int, name: str = "") -> bytes:
    return message("P", f"{name}\0{sql}\0".encode() + struct.pack(f">H{len(types)}I", len(types), *types))


def bind(*values: bytes | None, formats: tuple[int, ...] = (), results: tuple[int, ...] = (), name: str = "") -> bytes:
    head = f"\0{name}\0".encode() + struct.pack(f">H{len(formats)}H", len(formats), *formats)
    sent = b"".join(struct.pack(">i", -1) if v is None else struct.pack(">i", len(v)) + v for v in values)
    tail = struct.pack(f">H{len(results)}H", len(results), *results)
    return message("B", head + struct.pack(">H", len(values)) + sent + tail)


EXECUTE, SYNC, FLUSH = message("E", b"\0\0\0\0\0"), message("S", b""), message("H", b"")


def asked(*data: bytes, by: Questions | None = None) -> list[Question]:
    taker = by if by is not None else Questions()
    frames = Framer(Side.CLIENT, begun=True).feed(b"".join(data))
    return [question for frame in frames if (question := taker.take(frame)) is not None]


def answered(reply: Reply, *data: bytes) -> Reply:
    for frame in Framer(Side.SERVER, begun=True).feed(b"".join(data)):
        reply.take(frame)
    return reply


def described(*columns: tuple[str, int, int]) -> bytes:
    rows = b"".join(n.encode() + b"\0" + struct.pack(">IHIhiH", 0, 0, oid, -1, -1, f) for n, oid, f in columns)
    return message("T", struct.pack(">H", len(columns)) + rows)


def row(*values: bytes | None) -> bytes:
    sent = b"".join(struct.pack(">i", -1) if v is None else struct.pack(">i", len(v)) + v for v in values)
    return message("D", struct.pack(">H", len(values)) + sent)


def test_a_question_ends_with_a_query_or_a_sync() -> None:
    one, two = asked(message("Q", b"SELECT 1\0"), parse("SELECT $1", 23), bind(b"7"), EXECUTE, SYNC)
    assert (one.sql, one.values) == (["SELECT 1"], [[]])
    assert (two.sql, two.values) == (["SELECT $1"], [[7]])


def test_statements_of_a_pipeline_are_one_question() -> None:
    [question] = asked(parse("A"), bind(), EXECUTE, parse("B"), bind(), EXECUTE, SYNC)
    assert question.sql == ["A", "B"]


def test_a_flush_is_a_question_only_while_nothing_is_executed() -> None:
    questions = Questions()
    [first] = asked(parse("A", name="p"), message("D", b"Sp\0"), FLUSH, by=questions)
    assert first.flushed
    assert first.chatter
    assert asked(bind(name="p"), EXECUTE, FLUSH, by=questions) == []
    assert questions.flushing
    [second] = asked(SYNC, by=questions)
    assert (second.sql, second.flushed) == (["A"], False)


def test_what_a_server_told_of_a_statement_is_remembered_for_its_executions() -> None:
    questions = Questions()
    [first] = asked(parse("SELECT n FROM t WHERE id = $1", name="p"), message("D", b"Sp\0"), SYNC, by=questions)
    answered(Reply(asks=first.asks), message("t", struct.pack(">HI", 1, 20)), described(("n", 23, 0)))
    [second] = asked(bind(struct.pack(">q", 5), formats=(1,), results=(1,), name="p"), EXECUTE, SYNC, by=questions)
    assert second.values == [[5]]
    reply = answered(Reply(second.columns), row(struct.pack(">i", 9)), message("C", b"SELECT 1\0"), message("Z", b"T"))
    assert reply.message() == {"ok": [{"n": 9}], "tag": "SELECT 1", "tx": 2}


def test_an_error_is_reported_with_what_the_server_says_of_a_deadlock() -> None:
    said = b"SERROR\0VERROR\0C40P01\0Mdeadlock detected\0Dtwo processes\0Wwhile updating\0\0"
    reply = answered(Reply(), message("E", said), message("Z", b"E"))
    assert reply.message() == {
        "error": "deadlock detected", "sqlstate": "40P01", "tx": 3, "detail": "two processes",
        "context": "while updating",
    }  # fmt: skip


def test_columns_of_one_name_and_json() -> None:
    columns = (("n", 23, 0), ("n", 25, 0), ("j", 3802, 0))
    reply = answered(Reply(), described(*columns), row(b"1", None, b'{"a": 1}'), message("Z", b"I"))
    assert reply.message()["ok"] == [{"n": 1, "n_2": None, "j": {"a": 1}}]


@pytest.mark.parametrize(
    ("raw", "oid", "binary", "value"),
    [
        (None, 23, True, None),
        (struct.pack(">h", -2), 21, True, -2),
        (b"-2", 23, False, -2),
        (b"1.5", 701, False, 1.5),
        (b"NaN", 701, False, "NaN"),
        (struct.pack(">d", 1.5), 701, True, 1.5),
        (b"\1", 16, True, True),
        (b"f", 16, False, False),
        (uuid.UUID(int=7).bytes, 2950, True, str(uuid.UUID(int=7))),
        (b"1.10", 1700, False, "1.10"),
        (b"\0\1\0\0", 1700, True, UNREADABLE),
        (b"\xc3\xa9", 25, True, "é"),
    ],
)
def test_values(raw: bytes | None, oid: int, binary: bool, value: Json) -> None:
    assert value_of(raw, oid, binary) == value


@given(st.binary(max_size=60), st.sampled_from("QPBDES"))
def test_nonsense_is_passed_on_without_an_exception(body: bytes, kind: str) -> None:
    asked(message(kind, body), SYNC)


@pytest.mark.parametrize(
    ("sql", "chatter"),
    [
        ("SHOW standard_conforming_strings", True),
        ("select pg_catalog.version()", True),
        ("SELECT typname AS name, oid FROM pg_type t WHERE t.oid = to_regtype($1)", True),
        ("SELECT version FROM migrations", False),
        ("SELECT pg_advisory_lock(1)", False),
        ("SET search_path = shop", False),
    ],
)
def test_what_is_no_step(sql: str, chatter: bool) -> None:
    assert Question(sql=[sql]).chatter is chatter


def test_parameters_are_shown_as_literals() -> None:
    sql = "UPDATE t SET a = $1, b = $2, c = $10, d = $3 -- $1\nWHERE e = '$1' AND f = $4"
    assert with_values(sql, [7, "o'clock", None, UNREADABLE]) == (
        "UPDATE t SET a = 7, b = 'o''clock', c = $10, d = NULL -- $1\nWHERE e = '$1' AND f = $4"
    )
    assert with_values("SELEC '", ["x"]) == "SELEC '"


def named(*texts: str) -> list[str]:
    composer = Composer(Catalog(), Gates(), "read committed")
    worker = Worker(name="w", statements=(), program="w")
    for sql in texts:
        statement = composer(worker, {"sql": [sql], "values": [[]], "idle": False})
        worker = Worker(name="w", statements=(*worker.statements, statement), program="w")
    return [s.name for s in worker.statements]


def test_statements_are_named_after_what_they_do_to_what() -> None:
    assert named(
        "BEGIN", "SELECT 1", "SELECT * FROM shop.orders", 'UPDATE "Orders" SET a = 1', "INSERT INTO orders VALUES (1)",
        "SELECT shop.refund('j1')", "SELECT * FROM orders", "COMMIT", "nonsense", "SELECT 1; SELECT 2",
    ) == [
        "begin", "select", "select_orders", "update_orders", "insert_orders", "select_refund", "select_orders_2",
        "commit", "statement", "statements",
    ]  # fmt: skip
