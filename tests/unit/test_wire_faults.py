"""When a fault strikes, and which question a server's message answers."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from wire_bytes import STARTUP, done, message, query, ready

from harness.errors import UsageError
from harness.wire import BlackHole, Delay, Drop, Fault, Frame, Framer, LoseAnswer, Side, Trigger
from harness.wire.faults import Plan
from harness.wire.rounds import Rounds

COMMIT = Trigger(side=Side.CLIENT, kind="Query", sql=r"^\s*commit")


def client(data: bytes) -> list[Frame]:
    return list(Framer(Side.CLIENT).feed(STARTUP + data))[1:]


def server(data: bytes) -> list[Frame]:
    return list(Framer(Side.SERVER).feed(data))


def test_a_fault_strikes_once_at_the_nth_message_that_fits() -> None:
    second = Drop(when=replace(COMMIT, nth=2))
    plan = Plan([second])
    (frame,) = client(query("COMMIT"))
    due = [plan.due(frame, [sql]) for sql in ("COMMIT", "select 1", "  commit", "COMMIT")]
    assert due == [[], [], [second], []]


def test_faults_count_apart_and_strike_in_the_order_in_which_they_were_given() -> None:
    late, drop = Delay(when=COMMIT, seconds=0), Drop(when=COMMIT)
    (frame,) = client(query("COMMIT"))
    assert Plan([late, drop]).due(frame, ["COMMIT"]) == [late, drop]
    assert Plan([drop, late]).due(frame, ["COMMIT"]) == [drop, late]


def test_a_trigger_looks_at_side_kind_tag_and_status() -> None:
    commit, begin, open_, idle = server(done("COMMIT") + done("BEGIN") + ready("T") + ready("I"))
    tagged = Trigger(side=Side.SERVER, kind="CommandComplete", tag="COMMIT")
    assert [tagged.fits(frame, []) for frame in (commit, begin, idle)] == [True, False, False]
    finished = Trigger(side=Side.SERVER, kind="ReadyForQuery", status="I", sql="refund")
    assert [finished.fits(frame, ["SELECT Refund()"]) for frame in (open_, idle)] == [False, True]
    assert not finished.fits(idle, ["SELECT 1"])
    rows = Trigger(side=Side.CLIENT, kind="CopyData")
    assert [rows.fits(frame, []) for frame in (*client(message("d")), *server(message("d")))] == [True, False]


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"side": Side.CLIENT, "kind": "ReadyForQuery"}, "a client sends no ReadyForQuery"),
        ({"side": Side.SERVER, "kind": "Query"}, "a server sends no Query"),
        ({"side": Side.CLIENT, "kind": "Query", "nth": 0}, "nth counts from 1"),
        ({"side": Side.CLIENT, "kind": "Query", "tag": "COMMIT"}, "only a CommandComplete"),
        ({"side": Side.SERVER, "kind": "DataRow", "status": "I"}, "only a ReadyForQuery"),
        ({"side": Side.CLIENT, "kind": "Bind", "sql": "x"}, "carries no SQL"),
        ({"side": Side.CLIENT, "kind": "Query", "sql": "("}, "no regular expression"),
    ],
)
def test_a_trigger_that_can_never_fit_is_refused(wrong: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        Trigger(**wrong)


def test_a_fault_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="number of bytes"):
        Drop(when=COMMIT, passed=-1)
    for seconds in (-1.0, float("inf"), float("nan")):
        with pytest.raises(UsageError, match="a delay is between"):
            Delay(when=COMMIT, seconds=seconds)
    with pytest.raises(UsageError, match="cannot be lost"):
        LoseAnswer(when=Trigger(side=Side.SERVER, kind="ReadyForQuery"))
    with pytest.raises(UsageError, match="cannot be lost"):
        LoseAnswer(when=Trigger(side=Side.CLIENT, kind="Password"))


def test_faults_are_values() -> None:
    faults: list[Fault] = [Drop(when=COMMIT), LoseAnswer(when=COMMIT), BlackHole(when=COMMIT)]
    assert len(set(faults)) == 3
    assert Drop(when=COMMIT) == Drop(when=replace(COMMIT))


def asked(rounds: Rounds, data: bytes) -> list[str]:
    return [rounds.asked(frame)[0] for frame in client(data)]


def answered(rounds: Rounds, data: bytes) -> list[list[str] | None]:
    found = [rounds.answered(frame) for frame in server(data)]
    return [of.sql if of else None for of in found]


def parse(name: str, sql: str) -> bytes:
    return message("P", f"{name}\0{sql}\0".encode() + b"\0\0")


def bind(portal: str, name: str) -> bytes:
    return message("B", f"{portal}\0{name}\0".encode() + bytes(6))


def execute(portal: str) -> bytes:
    return message("E", portal.encode() + b"\0" + bytes(4))


SYNC = message("S")


def test_an_execute_stands_for_the_statement_that_was_bound() -> None:
    rounds = Rounds()
    prepared = parse("a", "COMMIT") + parse("", "SELECT 1") + bind("", "a") + execute("")
    assert asked(rounds, prepared + bind("p", "") + execute("p") + SYNC) == [
        "COMMIT", "SELECT 1", "", "COMMIT", "", "SELECT 1", ""
    ]  # fmt: skip
    assert asked(rounds, bind("", "a") + execute("") + execute("unknown") + SYNC) == ["", "COMMIT", "", ""]


def test_answers_belong_to_rounds_in_the_order_of_the_questions() -> None:
    rounds = Rounds()
    asked(rounds, query("BEGIN") + parse("", "SELECT 1") + bind("", "") + SYNC + query("COMMIT"))
    stream = done("BEGIN") + ready("T") + message("1") + message("2") + ready("T") + done("COMMIT") + ready()
    assert answered(rounds, stream) == [
        ["BEGIN"], ["BEGIN"], ["SELECT 1"], ["SELECT 1"], ["SELECT 1"], ["COMMIT"], ["COMMIT"]
    ]  # fmt: skip
    assert answered(rounds, message("N", b"\0")) == [None]


def test_a_flush_lets_an_answer_come_before_the_sync() -> None:
    rounds = Rounds()
    asked(rounds, parse("", "SELECT 1") + message("H"))
    assert answered(rounds, message("1")) == [["SELECT 1"]]
    asked(rounds, SYNC)
    assert answered(rounds, ready() + message("N")) == [["SELECT 1"], None]


@pytest.mark.parametrize("end", ["c", "f"])
def test_a_sync_before_copied_rows_is_no_round(end: str) -> None:
    """libpq sends a Sync with its COPY and another after the rows; the server answers the second one alone."""
    rounds = Rounds()
    asked(rounds, parse("", "COPY t FROM STDIN") + bind("", "") + execute("") + SYNC)
    answered(rounds, message("1") + message("2") + message("G", b"\0\0\0"))
    asked(rounds, SYNC + message("d", b"1\n") + message(end, b"\0") + SYNC + query("COMMIT"))
    # an Execute of a statement repeats its text
    assert answered(rounds, done("COPY 1") + ready() + done("COMMIT") + ready()) == [
        ["COPY t FROM STDIN"] * 2, ["COPY t FROM STDIN"] * 2, ["COMMIT"], ["COMMIT"]
    ]  # fmt: skip


def test_a_copy_in_a_simple_query_is_one_round() -> None:
    rounds = Rounds()
    asked(rounds, query("COPY t FROM STDIN"))
    answered(rounds, message("G", b"\0\0\0"))
    asked(rounds, message("d", b"1\n") + message("c") + query("COMMIT"))
    assert answered(rounds, done("COPY 1") + ready() + ready()) == [["COPY t FROM STDIN"]] * 2 + [["COMMIT"]]


def test_the_outcome_of_a_round_is_its_last_tag_or_error() -> None:
    rounds = Rounds()
    asked(rounds, query("a; b") + query("c"))
    (of,) = {id(found): found for found in map(rounds.answered, server(done("A") + done("B") + ready()))}.values()
    assert of is not None
    assert of.outcome == "B"
    (failed,) = map(rounds.answered, server(message("E", b"C40001\0\0")))
    assert failed is not None
    assert re.fullmatch("40001", failed.outcome)
