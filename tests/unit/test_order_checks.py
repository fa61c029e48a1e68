"""What an exact order declares: answers, and which steps wait."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from histories import follow, run, scenario

from harness.checks.answers import expected_answers
from harness.checks.blocking import expected_blocks
from harness.model import Verdict

OK, BAD, NOTHING = Verdict.PASS, Verdict.VIOLATION, Verdict.INCONCLUSIVE
NESTED = 'a x answers {"j": {"success": true, "new": {"balance": 5000, "tags": [1, "x"], "note": null}}}'

ANSWERS: dict[str, tuple[Verdict, str, Any]] = {
    "a column": (OK, 'a x answers {"n": 1}', {"n": 1}),
    "a wrong column": (BAD, 'a x answers {"n": 1}', {"n": 2}),
    "a missing column": (BAD, 'a x answers {"n": 1}', {"m": 1}),
    "null is not a missing column": (BAD, 'a x answers {"n": 1}', {"m": None}),
    "a key of a JSON answer": (OK, "a refund paid", {"success": True, "new_balance": 5000}),
    "a wrong key of a JSON answer": (BAD, "a refund refused", {"success": True}),
    "keys that were not declared do not matter": (OK, "a refund paid", {"success": True}),
    "nested keys": (OK, NESTED, {"new": {"balance": 5000, "note": None}}),
    "a wrong nested key": (BAD, NESTED, {"new": {"balance": 6000}}),
    "a missing nested key": (BAD, NESTED, {"new": {"other": 1}}),
    "a mapping where a number was declared": (BAD, NESTED, {"new": 5000}),
    "a number where a mapping was declared": (BAD, 'a x answers {"n": 1}', {"n": {"m": 1}}),
    "a number where a list was declared": (BAD, 'a x answers {"n": 1}', {"n": [1]}),
    "a list where a mapping was declared": (BAD, 'a x answers {"l": [1]}', {"l": {"n": 1}}),
    "a list": (OK, NESTED, {"new": {"tags": [1, "x"]}}),
    "a list in another order": (BAD, NESTED, {"new": {"tags": ["x", 1]}}),
    "a shorter list": (BAD, NESTED, {"new": {"tags": [1]}}),
    "1 is not true": (BAD, 'a x answers {"n": 1}', {"n": True}),
    "true is not 1": (BAD, "a refund paid", {"success": 1}),
    "0 is not false": (BAD, 'a x answers {"n": 0}', {"n": False}),
    "1 is not true in a list": (BAD, NESTED, {"new": {"tags": [True, "x"]}}),
    "1 is not true in a mapping in a list": (BAD, 'a x answers {"l": [{"n": 1}]}', {"l": [{"n": True}]}),
    "a number is not its text": (BAD, 'a x answers {"n": 1}', {"n": "1"}),
    "an error by its state": (OK, "a x fail 42501", {"sqlstate": "42501"}),
    "another error": (BAD, "a x fail 40001", {"sqlstate": "42501"}),
    "an error where an answer was declared": (BAD, "a refund fail 42501", {"success": True}),
    "an answer where an error was declared": (BAD, "a refund paid", {"sqlstate": "42501"}),
    "the last answer counts": (OK, 'a x answers {"n": 1}\na y answers {"n": 2}', {"n": 2}),
    "a script's rows are no answer": (OK, 'a refund paid\na ddl answers {"n": 1}', {"success": True}),
    "COMMIT answers nothing": (OK, "a begin\na refund paid\na commit", {"success": True}),
    "a COMMIT that failed by itself answers": (BAD, "a begin\na refund paid\na commit fail 40001", {"success": True}),
    "the COMMIT of a failed transaction does not hide its error": (
        OK, "a begin\na x fail 40001\na commit fail", {"sqlstate": "40001"}),
    "a statement without rows answers nothing": (OK, "a refund paid\na x", {"success": True}),
    "a worker that answered nothing": (BAD, "a x", {"success": True}),
    "an answer that nobody read": (BAD, "a x lost\na dies", {"success": True}),
    "all answers in turn": (OK, 'a x answers {"n": 1}\na y fail 42501', ({"n": 1}, {"sqlstate": "42501"})),
    "all answers, one wrong": (BAD, 'a x answers {"n": 1}\na y fail 42501', ({"n": 2}, {"sqlstate": "42501"})),
    "fewer answers than declared": (BAD, 'a x answers {"n": 1}', ({"n": 1}, {"n": 2})),
    "more answers than declared": (BAD, 'a x answers {"n": 1}\na y answers {"n": 2}', ({"n": 1},)),
    "no answers at all, as declared": (OK, "a x", ()),
}  # fmt: skip


@pytest.mark.parametrize(("verdict", "log", "expect"), ANSWERS.values(), ids=ANSWERS.keys())
def test_answer(verdict: Verdict, log: str, expect: Any) -> None:
    assert expected_answers(follow(run(log), "", {"a": expect})).verdict is verdict


def test_an_order_overrides_the_answers_of_its_scenario() -> None:
    context = run("a refund paid\nb refund refused")
    context = replace(
        context, scenario=scenario(context.scenario.workers, expect={"a": {"success": True}, "b": {"success": True}})
    )
    assert [v.turn for v in expected_answers(follow(context, "")).violations] == [1]
    assert expected_answers(follow(context, "", {"b": {"success": False}})).verdict is OK


def test_answers_and_waits_of_a_search_are_not_declared() -> None:
    context = run("a refund refused\nb x waits a")
    context = replace(context, scenario=scenario(context.scenario.workers, expect={"a": {"success": True}}))
    assert expected_answers(context).verdict is NOTHING
    assert expected_blocks(context).verdict is NOTHING


WAITS = {
    "a step that waits, as declared": (
        OK, "a begin\na x\nb x waits a\na commit\nb x", "a.begin a.x b.x:blocked a.commit"),
    "a step that goes through, as declared": (OK, "a x\nb x", "a.x b.x"),
    "a wait that was not declared": (BAD, "a begin\na x\nb x waits a\na commit\nb x", "a.begin a.x b.x a.commit"),
    "a declared wait that did not come": (BAD, "a x\nb x", "a.x b.x:blocked"),
    "what follows the order may wait": (OK, "a begin\na x\nb x waits a\na commit\nb x", "a.begin a.x"),
    "a step that its worker's end made impossible": (BAD, "a x fail 40001\na stops\nb x", "a.x a.y b.x"),
    "the last step made impossible": (BAD, "a x fail 40001\na stops", "a.x a.y"),
    "a step that was asked too early": (BAD, "a x\nb x waits a\na y\nb x\nb y", "a.x b.x:blocked b.y a.y"),
    "no step could be taken": (BAD, "", "a.x"),
    "a signal to a worker that waits": (
        OK, "a begin\na x\nb x waits a\nb term\na commit\nb x", "a.begin a.x b.x:blocked b.term a.commit"),
    "a kill, and an answer lost": (OK, "a x lost\nb dies", "a.x:killed b.kill"),
}  # fmt: skip


@pytest.mark.parametrize(("verdict", "log", "order"), WAITS.values(), ids=WAITS.keys())
def test_blocking(verdict: Verdict, log: str, order: str) -> None:
    context = run(log)
    if "b term" in log:  # the worker goes on waiting after the signal
        decisions = [replace(d, blocked=d.blocked or d.choice.action == "term") for d in _decisions(context)]
        schedule = replace(context.execution.schedule, decisions=tuple(decisions))
        context = replace(context, execution=replace(context.execution, schedule=schedule))
    result = expected_blocks(follow(context, order))
    assert (result.verdict, result.examined) == (verdict, len(order.split()))


def test_an_impossible_step_does_not_shift_the_judgement_of_the_others() -> None:
    context = run("a x fail 40001\na stops\nc begin\nc x\nb x waits c")
    [ended, waited] = expected_blocks(follow(context, "a.x a.y c.begin c.x b.x")).violations
    assert "step 2 of the order, a.y, could not be taken: a had ended at T0" in ended.message
    assert (waited.turn, "T3 b.x waited" in waited.message) == (3, True)


def test_an_end_that_comes_later_is_no_reason() -> None:
    context = run("c dies\na x\nb x waits a\na y\nb x fail 40001\nb stops")
    [violation] = expected_blocks(follow(context, "c.kill a.x b.x:blocked b.y a.y")).violations
    assert "b was waiting for another worker" in violation.message


def _decisions(context: Any) -> Any:
    return context.execution.schedule.decisions
