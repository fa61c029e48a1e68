"""Serial equivalence against a toy database: an account of 4000, a job in `processing`, a table with one key.

``ok``: some serial order explains ledger and answers. ``note``: only the ledger. ``bad``: none. ``not judged``.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from histories import Toy, run, toy_ledger

from harness.checks.protocol import Context
from harness.checks.serial import serial_equivalence
from harness.model import Ledger, Liveness, Verdict

START, PAID, TWICE, KEY = toy_ledger(), toy_ledger(5000, "failed"), toy_ledger(6000, "failed"), toy_ledger(keys=1)
HALF = toy_ledger(5000, "processing")
STILL = {"status": "processing"}
OLD = {"a.select": STILL, "b.select": STILL}
LOOKS = 'select answers {"status": "processing"}'
PAYS = 'a pay answers {"balance": 5000}'
FAILED = 'select answers {"status": "failed"}'


def outcome(context: Context) -> str:
    ledger, answers = serial_equivalence(context)
    if not ledger.examined:
        assert ledger.verdict is answers.verdict is Verdict.INCONCLUSIVE
        return "not judged"
    assert not answers.violations
    return "bad" if ledger.violations else "note" if answers.notes else "ok"


CASES: dict[str, tuple[str, str, Ledger, dict[str, Any]]] = {
    "the second is refused": ("ok", "a refund paid\nb refund refused", PAID, {}),
    "the first is refused, as if it had come second": ("ok", "a refund refused\nb refund paid", PAID, {}),
    "both are paid": ("bad", "a refund paid\nb refund paid", TWICE, {}),
    "both are paid, the money only once": ("note", "a refund paid\nb refund paid", PAID, {}),
    "nobody is paid": ("bad", "a refund refused\nb refund refused", START, {}),
    "an answer that no serial run gives": ("note", 'a refund answers {"answer": {"success": 1}}', PAID, {}),
    "two old workers, one after the other": (
        "ok", f"a {LOOKS}\n{PAYS}\na mark\nb {FAILED}\nb stops", PAID,
        {"ifs": OLD, "rest": {"b": "pay mark"}}),
    "two old workers, interleaved": (
        "bad", f"a {LOOKS}\nb {LOOKS}\na pay\nb pay\na mark\nb mark", TWICE, {"ifs": OLD}),
    "the worker that its own `if` stopped would have paid in no order": (
        "bad", f"a {FAILED}\na stops\nb {FAILED}\nb stops", START,
        {"ifs": OLD, "rest": {"a": "pay mark", "b": "pay mark"}}),
    "stopped by its own `if` inside a transaction": (
        "ok", f"a refund paid\nb begin\nb {FAILED}\nb stops", PAID,
        {"ifs": OLD, "rest": {"b": "pay mark commit"}, "liveness": Liveness(idle_in_transaction=("b",))}),
    "unknown, not paid": ("ok", "a refund lost\na dies", START, {}),
    "unknown, paid": ("ok", "a refund lost\na dies", PAID, {}),
    "unknown, paid twice": ("bad", "a refund lost\na dies", TWICE, {}),
    "unknown and not paid, the retry is": ("ok", "a refund lost\na dies\nb refund paid", PAID, {}),
    "unknown and paid, the retry is refused": ("ok", "a refund lost\na dies\nb refund refused", PAID, {}),
    "unknown, and the retry is paid too": ("bad", "a refund lost\na dies\nb refund paid", TWICE, {}),
    "unknown COMMIT, not paid": ("ok", "a begin\na refund paid\na commit lost\na dies", START, {}),
    "unknown COMMIT, half of it": ("bad", "a begin\na refund paid\na commit lost\na dies", HALF, {}),
    "two unknown, one paid": ("ok", "a refund lost\na dies\nb refund lost\nb dies", PAID, {}),
    "two unknown, both paid": ("bad", "a refund lost\na dies\nb refund lost\nb dies", TWICE, {}),
    "a lost connection ends its worker": ("ok", "a pay lost", HALF, {"rest": {"a": "mark"}}),
    "only the first order ends with this ledger, and its answers differ": (
        "note", 'a settle_5\nb settle_6 answers {"n": 1}', toy_ledger(6), {}),
    "a worker dies; another, stopped by its own `if`, would have paid": (
        "bad", f"a dies\nb {FAILED}\nb stops", START, {"ifs": OLD, "rest": {"a": "x", "b": "pay mark"}}),
    "a worker goes on after an error and is stopped by an `if` that holds in every order": (
        "bad", f"a x fail 40001\na {FAILED}\na stops", START,
        {"ifs": OLD, "rest": {"a": "pay mark"}, "keep_going": "a"}),
    "a crash before COMMIT leaves nothing": ("ok", "a begin\na refund paid\na dies", START, {}),
    "a crash before COMMIT leaves the money": ("bad", "a begin\na refund paid\na dies", HALF, {}),
    "a crash between two transactions": ("ok", f"{PAYS}\na dies", HALF, {"rest": {"a": "mark"}}),
    "a crash before the first step": ("ok", "a dies\nb refund paid", PAID, {"rest": {"a": "refund"}}),
    "an error ends a worker before its last step": ("ok", f"{PAYS}\na x fail 40001", HALF, {"rest": {"a": "mark"}}),
    "an error undoes the transaction": ("ok", "a begin\na pay\na x fail 40001", START, {"rest": {"a": "commit"}}),
    "an error that lost nothing needs no explanation": ("ok", "a refund paid\nb refund fail 40001", PAID, {}),
    "an error that no serial run gives": ("note", "a refund paid\nb refund fail P0001", PAID, {}),
    "an error that some serial run gives": ("ok", "a insert\nb insert fail 23505", KEY, {}),
    "an error whose row is nowhere": ("bad", "a insert fail 23505", KEY, {}),
    "a worker that goes on after its error": (
        "ok", "b insert\na insert fail 23505\na refund paid", toy_ledger(5000, "failed", 1), {"keep_going": "a"}),
    "a transaction that goes on after an error that no serial run gives": (
        "note", "a begin\na x fail 23514\na pay fail 25P02\na commit fail\na refund paid", PAID,
        {"keep_going": "a"}),
    "a savepoint undone": (
        "ok", "a begin\na s\na pay\na x fail 40001\na back\na refund paid\na commit", PAID,
        {"keep_going": "a", "sql": {"a.s": "SAVEPOINT s", "a.back": "ROLLBACK TO s"}}),
    "a transaction rolled back by its client": (
        "ok", "a begin\na pay\na rollback\na mark", toy_ledger(4000, "failed"), {}),
    "a worker that waits for ever": (
        "ok", "a begin\na refund paid\nb refund waits a", START,
        {"rest": {"b": "mark"}, "liveness": Liveness(waiting=("b",), idle_in_transaction=("a",))}),
    "four workers": ("ok", "a refund paid\nb refund refused\nc refund refused\nd refund refused", PAID, {}),
    "five workers": ("not judged", "a x\nb x\nc x\nd x\ne refund paid", TWICE, {}),
}  # fmt: skip


@pytest.mark.parametrize(("expected", "log", "closing", "options"), CASES.values(), ids=CASES.keys())
def test_serial_equivalence(expected: str, log: str, closing: Ledger, options: dict[str, Any]) -> None:
    assert outcome(run(log, opening=START, closing=closing, **options)) == expected


def test_every_order_of_what_took_effect_is_tried_and_nothing_else() -> None:
    toy = Toy()
    log = "a begin\na pay\na rollback\na mark\nb begin\nb pay\nc pay lost\nc dies\nd x fail 23505"
    serial_equivalence(run(log, opening=START, closing=toy_ledger(1, "failed"), toy=toy))
    worlds = [{"a": ["mark"], "c": ["pay"]}, {"a": ["mark"]}]
    assert [w for n, (_, w) in enumerate(toy.asked) if n in (0, 2)] == worlds
    assert len(toy.asked) == math.factorial(2) + 1


def test_equal_answers_end_the_search_at_once() -> None:
    toy = Toy()
    serial_equivalence(run("a refund paid\nb refund refused", opening=START, closing=PAID, toy=toy))
    assert [order for order, _ in toy.asked] == [("a", "b")]


def uid(n: int) -> str:
    return f"{n:08x}-0000-4000-8000-000000000000"


def at(second: int) -> str:
    return f"2026-11-24T00:00:{second:02}.123456+00:00"


def paper(*rows: Any, **tables: Any) -> Ledger:
    return {"rows": rows, **tables}


def pair(first: int, second: int, column: str = "n") -> list[dict[str, Any]]:
    """Rows with ids ``first`` and ``second`` that hold 5 and 7."""
    return [{"id": uid(first), column: 5}, {"id": uid(second), column: 7}]


FIVE_SEVEN, SEVEN_FIVE = pair(1, 2), pair(4, 3)[::-1]
GENERATED: dict[str, tuple[str, Ledger, Ledger]] = {
    "rows that a generated id has sorted otherwise": ("ok", paper(*FIVE_SEVEN), paper(*SEVEN_FIVE)),
    "rows that differ in nothing but their ids": (
        "ok", paper({"id": uid(1)}, {"id": uid(2)}), paper({"id": uid(9)}, {"id": uid(8)})),
    "references that follow their rows": (
        "ok", paper(*FIVE_SEVEN, parts=pair(1, 2, "p")), paper(*SEVEN_FIVE, parts=pair(4, 3, "p"))),
    "references to the wrong rows": (
        "bad", paper(*FIVE_SEVEN, parts=pair(1, 2, "p")), paper(*SEVEN_FIVE, parts=pair(3, 4, "p"))),
    "both references to one of two equal rows": (
        "bad", paper({"id": uid(1)}, {"id": uid(2)}, parts=({"of": uid(1)}, {"of": uid(2)})),
        paper({"id": uid(3)}, {"id": uid(4)}, parts=({"of": uid(3)}, {"of": uid(3)}))),
    "two readings of one clock, equal or not": ("ok", paper({"a": at(1), "b": at(1)}), paper({"a": at(2), "b": at(3)})),
    "a time that is missing": ("bad", paper({"a": at(1)}), paper({"a": None})),
    "an id that is missing": ("bad", paper({"a": uid(1)}), paper({"a": None})),
    "a row too many": ("bad", paper({"id": uid(1)}), paper({"id": uid(1)}, {"id": uid(2)})),
    "the same row twice": ("bad", paper({"n": 1}, {"n": 2}), paper({"n": 1}, {"n": 1})),
    "a sequence with gaps": (
        "ok", paper({"seq": 4, "n": 1}, {"seq": 9, "n": 2}), paper({"seq": 1, "n": 1}, {"seq": 2, "n": 2})),
    "a sequence in another order": (
        "note", paper({"seq": 4, "n": 2}, {"seq": 9, "n": 1}), paper({"seq": 1, "n": 1}, {"seq": 2, "n": 2})),
    "references over a gap": (
        "ok", paper({"seq": 2, "n": 1}, bills=({"row": 2, "n": 5}, {"row": None})),
        paper({"seq": 1, "n": 1}, bills=({"row": 1, "n": 5}, {"row": None}))),
    "references that follow another order": (
        "note", paper({"seq": 1, "n": 2}, {"seq": 2, "n": 1}, bills=({"row": 2, "p": 5},)),
        paper({"seq": 1, "n": 1}, {"seq": 2, "n": 2}, bills=({"row": 1, "p": 5},))),
    "a reference to the wrong number": (
        "bad", paper({"seq": 1, "n": 1}, {"seq": 2, "n": 2}, bills=({"row": 2, "p": 5},)),
        paper({"seq": 1, "n": 1}, {"seq": 2, "n": 2}, bills=({"row": 1, "p": 5},))),
    "a reference that is missing": (
        "bad", paper({"seq": 2, "n": 1}, bills=({"row": None},)), paper({"seq": 1, "n": 1}, bills=({"row": 1},))),
}  # fmt: skip


@pytest.mark.parametrize(("expected", "closing", "serial"), GENERATED.values(), ids=GENERATED.keys())
def test_generated_values(expected: str, closing: Ledger, serial: Ledger) -> None:
    toy = Toy(ends=[serial], sequences={"rows": {"seq": "rows.seq"}, "bills": {"row": "rows.seq"}})
    assert outcome(run("a x\nb x", closing=closing, toy=toy)) == expected


def test_an_id_of_the_answer_is_the_id_of_the_row() -> None:
    rows = ({"id": uid(1), "n": 5}, {"id": uid(2), "n": 7})
    right, wrong = (f'a x answers {{"id": "{uid(i)}"}}' for i in (1, 2))
    for log, expected in ((right, "ok"), (wrong, "note")):
        toy = Toy(gives=run(right, closing=paper(*rows)).execution)
        assert outcome(run(log, closing=paper(*rows), toy=toy)) == expected, log


def test_an_id_that_the_scenario_names_itself_is_not_renamed() -> None:
    toy = Toy(ends=[paper({"user": uid(1)})])
    named = {"a.x": f"INSERT INTO rows VALUES ('{uid(1)}'), ('{uid(2)}')"}
    assert outcome(run("a x", closing=paper({"user": uid(7)}), toy=Toy(ends=[paper({"user": uid(8)})]))) == "ok"
    assert outcome(run("a x", closing=paper({"user": uid(2)}), toy=toy, sql=named)) == "bad"


SENTENCES: dict[str, tuple[Ledger, list[Ledger], str]] = {
    "a balance": (TWICE, [PAID], "balance 6000; every serial order ends with 5000"),
    "either of two": (toy_ledger(1), [toy_ledger(2), toy_ledger(3)], "balance 1; every serial order ends with 2 or 3"),
    "numbers before texts": (toy_ledger(1, "x"), [toy_ledger(2, "y")], "balance 1; every serial order ends with 2"),
    "a count": (KEY, [START], "1 rows in keys; every serial order ends with 0"),
    "rows of another key are not compared": (
        paper({"k": 1, "n": 5}, {"k": 2, "n": 7}), [paper({"k": 2, "n": 7}, {"k": 3, "n": 5})],
        "no serial order of the calls ends with this ledger"),
    "values that are right one by one and wrong together": (
        paper({"k": "ann", "n": 150}, {"k": "bob", "n": 50}),
        [paper({"k": "ann", "n": 150}, {"k": "bob", "n": 0}), paper({"k": "ann", "n": 100}, {"k": "bob", "n": 50})],
        "n ann 150, bob 50; every serial order ends with ann 150, bob 0 or with ann 100, bob 50"),
    "generated names say nothing": (
        paper({"id": uid(1), "of": uid(1)}), [paper({"id": uid(2), "of": uid(3)})],
        "no serial order of the calls ends with this ledger"),
}  # fmt: skip


@pytest.mark.parametrize(("closing", "ends", "sentence"), SENTENCES.values(), ids=SENTENCES.keys())
def test_the_sentence_names_a_difference_that_holds_against_every_order(
    closing: Ledger, ends: list[Ledger], sentence: str
) -> None:
    [violation] = serial_equivalence(run("a x\nb x", closing=closing, toy=Toy(ends=ends)))[0].violations
    assert violation.message == sentence


def test_the_note_names_the_worker_whose_answer_is_strange() -> None:
    log = 'a refund paid\nb refund answers {"answer": {"success": false, "error": "what?"}}'
    [note] = serial_equivalence(run(log, opening=START, closing=PAID))[1].notes
    assert note.message.startswith("b.refund gave an answer that it gives in no serial order")


def test_the_note_does_not_take_another_id_for_another_answer() -> None:
    serial = run(f'a x answers {{"id": "{uid(7)}"}}\nb x answers {{"n": 1}}', closing=START)
    log = f'a x answers {{"id": "{uid(1)}"}}\nb x answers {{"n": 2}}'
    [note] = serial_equivalence(run(log, closing=START, toy=Toy(gives=serial.execution)))[1].notes
    assert note.message.startswith("b.x gave")


@pytest.mark.parametrize(("outcome_of_a", "seen"), [("lost", "ok"), ("ok", "bad")])
def test_what_has_an_unknown_outcome_may_come_after_the_worker_that_waited_for_its_end(
    outcome_of_a: str, seen: str
) -> None:
    """As a COMMIT that was held up by the network: whoever sent it has given up, and its retry has ended."""
    context = run(f"a settle_5 {outcome_of_a}\nb settle_6", closing=toy_ledger(5))
    workers = tuple(replace(w, after=("a",)) if w.name == "b" else w for w in context.scenario.workers)
    assert outcome(replace(context, scenario=replace(context.scenario, workers=workers))) == seen
