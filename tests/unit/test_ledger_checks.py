"""Checks on the ledger and on how an execution ended, each with histories that must pass and that must not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from histories import EMPTY, ledger, refund_row, run

from harness.checks.ending import deadlock, liveness
from harness.checks.invariants import sql_invariants
from harness.checks.progress import append_only, status_forward
from harness.checks.protocol import Context
from harness.checks.refunds import acknowledged_refunds
from harness.checks.vacuity import changed, overlapped
from harness.model import CheckResult, Liveness, Statement, Verdict

OK, BAD, NOTHING = Verdict.PASS, Verdict.VIOLATION, Verdict.INCONCLUSIVE
ROW, SECOND = refund_row(), refund_row(number=2)
PAYS_BY_HAND = {"a.hand": "SELECT refund_balance_atomic(…)", "a.HAND": "SELECT REFUND_BALANCE_ATOMIC(…)"}

REFUNDS = {
    "an acknowledged refund that is there": (OK, "a refund paid", [ROW]),
    "an acknowledged refund that is not there": (BAD, "a refund paid", []),
    "an acknowledged refund of another job": (BAD, "a refund paid", [refund_row("j2")]),
    "an acknowledged refund that names no job": (BAD, "a refund paid", [{**ROW, "metadata": None}]),
    "one acknowledgement, two rows": (BAD, "a refund paid", [ROW, SECOND]),
    "two acknowledgements, one row": (BAD, "a refund paid\nb refund paid", [ROW]),
    "two acknowledgements, two rows: each is there once": (OK, "a refund paid\nb refund paid", [ROW, SECOND]),
    "a refusal that left nothing": (OK, "a refund refused", []),
    "a refusal that left a row": (BAD, "a refund refused", [ROW]),
    "an error that left nothing": (OK, "a refund fail 40001", []),
    "an error that left a row": (BAD, "a refund fail 40001", [ROW]),
    "an unknown outcome, no row": (OK, "a refund lost\na dies", []),
    "an unknown outcome, one row": (OK, "a refund lost\na dies", [ROW]),
    "an unknown outcome, two rows": (BAD, "a refund lost\na dies", [ROW, SECOND]),
    "an unknown outcome and a paid retry, one row": (OK, "a refund lost\na dies\nb refund paid", [ROW]),
    "an unknown outcome and a paid retry, no row": (BAD, "a refund lost\na dies\nb refund paid", []),
    "an unknown COMMIT, no row": (OK, "a begin\na refund paid\na commit lost\na dies", []),
    "an unknown COMMIT, one row": (OK, "a begin\na refund paid\na commit lost\na dies", [ROW]),
    "an unknown COMMIT of a refusal, one row": (BAD, "a begin\na refund refused\na commit lost\na dies", [ROW]),
    "an acknowledgement that was rolled back, no row": (OK, "a begin\na refund paid\na rollback", []),
    "an acknowledgement that was rolled back, one row": (BAD, "a begin\na refund paid\na rollback", [ROW]),
    "an acknowledgement inside a transaction that never ended": (OK, "a begin\na refund paid", []),
    "an acknowledgement whose COMMIT failed": (OK, "a begin\na refund paid\na commit fail 40001", []),
    "two jobs, each with its row": (OK, "a refund paid\nb refund_j2 paid", [ROW, refund_row("j2", 2)]),
    "two jobs, both rows for one": (BAD, "a refund paid\nb refund_j2 paid", [ROW, SECOND]),
    "a row paid by hand acknowledges nothing": (OK, "a refund paid\na hand", [ROW, SECOND]),
    "a row paid by hand, in capitals": (OK, "a refund paid\na HAND", [ROW, SECOND]),
    "a payment by hand that failed explains no row": (BAD, "a refund refused\na hand fail 42501", [ROW]),
    "no refund was called": (NOTHING, "a x", [ROW]),
    "a completion is no refund, whatever it answers": (NOTHING, "a complete paid", []),
    "a charge is no refund": (BAD, "a refund paid", [{**ROW, "type": "generation"}]),
    "refunded, but no success": (OK, 'a refund answers {"answer": {"success": false, "refunded": true}}', []),
    "a success, but not refunded": (OK, 'a refund answers {"answer": {"success": true, "refunded": false}}', []),
    "an answer that is no JSON object": (OK, 'a refund answers {"answer": "success"}', []),
    "no answer row at all": (OK, "a refund", []),
}  # fmt: skip


@pytest.mark.parametrize(("verdict", "log", "rows"), REFUNDS.values(), ids=REFUNDS.keys())
def test_acknowledged_refunds(verdict: Verdict, log: str, rows: list[Any]) -> None:
    context = run(log, closing=ledger(*rows), sql=PAYS_BY_HAND)
    assert acknowledged_refunds(context).verdict is verdict


def test_refunds_of_before_the_execution_are_not_counted() -> None:
    assert acknowledged_refunds(run("a refund paid", opening=ledger(ROW), closing=ledger(ROW))).verdict is BAD
    assert acknowledged_refunds(run("a refund paid", opening=ledger(ROW), closing=ledger(ROW, SECOND))).verdict is OK


def test_the_witnesses_are_the_refunds_of_the_job_in_question() -> None:
    rows = [{**ROW, "type": "generation"}, ROW, SECOND, refund_row("j2", 3)]
    [violation] = acknowledged_refunds(run("a refund paid\nb refund_j2 paid", closing=ledger(*rows))).violations
    assert violation.witness == (ROW, SECOND)
    assert violation.message == "j1 has 2 refund rows; 1 refunds were acknowledged"


def test_refunds_of_a_ledger_without_our_table_are_not_judged() -> None:
    assert acknowledged_refunds(run("a refund paid", opening={}, closing={})).verdict is NOTHING


MOVES: dict[str, tuple[Callable[[Context], CheckResult], Verdict, list[Any]]] = {
    "rows are added": (append_only, OK, [ledger(), ledger(ROW), ledger(ROW, SECOND)]),
    "a row is changed": (append_only, BAD, [ledger(ROW), ledger({**ROW, "amount": 1})]),
    "a row is gone": (append_only, BAD, [ledger(ROW), ledger()]),
    "a row is changed and changed back": (append_only, BAD, [ledger(ROW), ledger({**ROW, "amount": 1}), ledger(ROW)]),
    "a row is replaced by one with another id": (append_only, BAD, [ledger(ROW), ledger({**ROW, "id": "r9"})]),
    "a ledger of rows without id": (append_only, NOTHING, [ledger({"n": 1}), ledger({"n": 2})]),
    "pending, processing, failed": (
        status_forward, OK, [ledger(j1="pending"), ledger(j1="processing"), ledger(j1="failed")]),
    "pending, completed": (status_forward, OK, [ledger(j1="pending"), ledger(j1="completed")]),
    "a new job may begin anywhere": (status_forward, OK, [ledger(), ledger(j1="failed")]),
    "processing, pending": (status_forward, BAD, [ledger(j1="processing"), ledger(j1="pending")]),
    "completed, failed": (status_forward, BAD, [ledger(j1="completed"), ledger(j1="failed")]),
    "failed, completed": (status_forward, BAD, [ledger(j1="failed"), ledger(j1="completed")]),
    "failed, processing, failed": (
        status_forward, BAD, [ledger(j1="failed"), ledger(j1="processing"), ledger(j1="failed")]),
    "one of two jobs": (
        status_forward, BAD, [ledger(j1="failed", j2="failed"), ledger(j1="failed", j2="processing")]),
    "failed, deleted, processing": (status_forward, BAD, [ledger(j1="failed"), ledger(), ledger(j1="processing")]),
    "a status that is not ours": (status_forward, OK, [ledger(j1="failed"), ledger(j1="archived")]),
    "failed, a status that is not ours, processing": (
        status_forward, BAD, [ledger(j1="failed"), ledger(j1="archived"), ledger(j1="processing")]),
    "a table of jobs that is not ours": (
        status_forward, OK, [{"story_jobs": ({"n": 1},)}, {"story_jobs": ({"n": 2},)}]),
    "no such table: rows": (append_only, NOTHING, [{}, {}]),
    "no such table: jobs": (status_forward, NOTHING, [{}, {}]),
}  # fmt: skip


@pytest.mark.parametrize(("check", "verdict", "states"), MOVES.values(), ids=MOVES.keys())
def test_every_committed_state_is_judged(check: Any, verdict: Verdict, states: list[Any]) -> None:
    opening, *between, closing = states
    log = "\n".join(f"a x{i}\nstate {i}" for i in range(len(between)))
    named = {str(i): state for i, state in enumerate(between)}
    result = check(run(log, opening=opening, closing=closing, states=named))
    assert result.verdict is verdict


def test_a_bad_move_names_its_turn() -> None:
    context = run("a x\na y\nstate s", opening=ledger(ROW), closing=ledger(), states={"s": ledger()})
    [violation] = append_only(context).violations
    assert (violation.turn, violation.message) == (1, "a refund row of the ledger is gone at T1")


LOCK = {"worker": "a", "locktype": "advisory", "relation": "", "mode": "ExclusiveLock", "granted": True}
LEFT = {
    "nothing is left": (Liveness(), 0, ""),
    "a worker waits for ever": (Liveness(waiting=("a",), locks=(LOCK,)), 1, "still waits"),
    "a session idle in its transaction": (Liveness(idle_in_transaction=("a",), locks=(LOCK,)), 1, "transaction open"),
    "a lock held by a session that is idle": (Liveness(locks=(LOCK,)), 1, "holding a lock"),
    "one waits for one that is idle": (Liveness(waiting=("b",), idle_in_transaction=("a",)), 2, "b still waits"),
}


@pytest.mark.parametrize(("left", "violations", "words"), LEFT.values(), ids=LEFT.keys())
def test_liveness(left: Liveness, violations: int, words: str) -> None:
    result = liveness(run("a x", liveness=left))
    assert (len(result.violations), result.examined) == (violations, 1)
    assert words in " ".join(v.message for v in result.violations)


def test_a_deadlock_is_found_even_when_the_ledger_survives_it() -> None:
    [violation] = deadlock(run("a begin\nb begin\na x waits b\nb y sent\nb deadlocks a\nb y fail 40P01")).violations
    assert (violation.turn, violation.check) == (3, "deadlock")
    assert "b and a waited for each other: b.y closed the cycle" in violation.message


def test_a_wait_is_no_deadlock() -> None:
    assert deadlock(run("a begin\nb x waits a\na commit\nb x")).verdict is OK


def test_every_row_of_an_invariant_is_a_witness_with_readable_ids() -> None:
    found = {"good": (), "bad": ({"id": "5f1c1d5e-0000-4000-8000-00000000000a", "n": 1},)}
    good, bad = sql_invariants(run("a x", invariants=found))
    assert (good.verdict, good.check) == (OK, "good")
    assert (good.examined, bad.violations[0].message) == (1, "what a row of bad means")
    assert (bad.verdict, bad.violations[0].witness) == (BAD, ({"id": "uuid-1", "n": 1},))


SHOWN: dict[str, tuple[tuple[dict[str, Any], ...], str]] = {
    "one row": (({"id": 7, "credits": -1},), ": id 7, credits -1"),
    "what says nothing is left out": (
        ({"id": "5f1c1d5e-0000-4000-8000-00000000000a", "note": "x" * 31, "paid": None, "n": 2},), ": paid null, n 2"),
    "two rows": (({"n": 1}, {"n": 2}), ": n 1 and 1 more row"),
    "many": (({"a": 1, "b": 2, "c": 3, "d": 4},) * 3, ": a 1, b 2, c 3 and 2 more rows"),
    "nothing to show": (({},), ""),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "shown"), SHOWN.values(), ids=SHOWN.keys())
def test_a_rule_without_words_shows_its_first_row(rows: tuple[dict[str, Any], ...], shown: str) -> None:
    context = run("a x", invariants={"bad": rows})
    bare = tuple(replace(script, about="") for script in context.scenario.invariants)
    [result] = sql_invariants(replace(context, scenario=replace(context.scenario, invariants=bare)))
    assert [v.message for v in result.violations] == [f"the invariant bad is broken{shown}"]


OVERLAPS = {
    "one after the other": ("a x\nb x", False),
    "one within the other": ("a x\nb x\na x2", True),
    "one waits for the other": ("a begin\na x\nb x waits a\na commit\nb x", True),
    "one waits for ever": ("b x waits a\na x", True),
    "on different tables": ("a x\nb y\na x2", False),
    "on a table nobody knows": ("a x\nb any\na x2", True),
    "a table nobody knows, first": ("a any\nb x\na x2", True),
    "two at once on different tables, a third one later": ("a x\nb y\na x2\nc x", False),
    "only transaction control": ("a begin\nb begin\na commit\nb commit", False),
    "one never began": ("a x", False),
    "one died before the other began": ("a x\na dies\nb x", False),
}


@pytest.mark.parametrize(("log", "expected"), OVERLAPS.values(), ids=OVERLAPS.keys())
def test_overlap(log: str, expected: bool) -> None:
    def touches(statement: Statement) -> frozenset[str] | None:
        return None if statement.name == "any" else frozenset({statement.name[0]} & {"x", "y"})

    assert overlapped(run(log), touches) is expected


def test_a_run_that_changed_nothing_is_seen() -> None:
    assert not changed(run("a x", opening=ledger(ROW), closing=ledger(ROW)))
    assert changed(run("a x", opening=EMPTY, closing=ledger(ROW)))
