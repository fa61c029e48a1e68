"""What sets an outcome apart, and how the fates of mutants are counted and told."""

from __future__ import annotations

import json

import pytest

from harness.fates import OPERATORS, Difference, Fate, GenericResult, Judged
from harness.model import Json, Ledger, Opaque, Row, Verdict
from harness.mutants.outcomes import Outcome, difference
from harness.report.mutants_generic import generic_json, generic_text
from harness.sqltext.mutate_types import Mutation

# ---------------------------------------------------------------------------------------------------- differences


def outcome(ledger: Ledger, *answers: Json, left: tuple[str, ...] = ()) -> Outcome:
    """``answers``: of w1, w2, …; what begins with "error " is an SQLSTATE."""
    told: dict[str, tuple[tuple[str, tuple[Row, ...] | None, str | None], ...]] = {}
    for n, answer in enumerate(answers, 1):
        failed = isinstance(answer, str) and answer.startswith("error ")
        rows = None if failed else ({"a": answer},)
        told[f"w{n}"] = (("select", rows, answer[6:] if failed else None),)
    return Outcome(ledger=ledger, answers=told, left=left, key="")


def accounts(*balances: int) -> Ledger:
    return {"accounts": tuple({"id": n, "balance": b} for n, b in enumerate(balances, 1))}


@pytest.mark.parametrize(
    ("new", "known", "expected"),
    [
        (outcome(accounts(6)), [outcome(accounts(5)), outcome(accounts(4)), outcome(accounts(5))],
         Difference(subject="accounts.balance", value=6, usual=(5, 4))),
        (outcome(accounts(1, 6)), [outcome(accounts(1, 5))],
         Difference(subject="accounts.balance", value=6, usual=(5,), row="id 2")),
        (outcome(accounts(1, 2, 3)), [outcome(accounts(1, 2))],
         Difference(subject="rows in accounts", value=3, usual=(2,))),
        (outcome(accounts(5), "paid", "paid"), [outcome(accounts(5), "paid", "no"), outcome(accounts(5), "no", "paid")],
         Difference(subject="ledger and answers together", value={"w1": ["paid"], "w2": ["paid"]})),
        (outcome(accounts(5), "paid", "error 40001"), [outcome(accounts(5), "paid", "no")],
         Difference(subject="answer of w2.select", value="error 40001", usual=("no",))),
        (outcome(accounts(5), left=("w1",)), [outcome(accounts(5))],
         Difference(subject="left behind", value=["w1"], usual=([],))),
        # A number says more than a word.
        (outcome({"jobs": ({"id": "j", "status": "x"},), "ledger": ({"id": 1, "amount": 7}, {"id": 2, "amount": 7})}),
         [outcome({"jobs": ({"id": "j", "status": "y"},), "ledger": ({"id": 1, "amount": 7}, {"id": 2, "amount": 8})})],
         Difference(subject="ledger.amount", value=7, usual=(8,), row="id 2")),
        # Times and generated ids are never what is told.
        (outcome({"t": ({"at": "2026-01-01 10:00:00", "done": None},)}),
         [outcome({"t": ({"at": "2025-01-01 10:00:00", "done": "x"},)})],
         Difference(subject="t.done", value=None, usual=("x",))),
    ],
)  # fmt: skip
def test_the_simplest_difference_is_told(new: Outcome, known: list[Outcome], expected: Difference) -> None:
    assert difference(new, known) == expected


# --------------------------------------------------------------------------------------------------------- results


def judged(name: str, fate: Fate, **more: Json) -> Judged:
    function, operator = name.split(" ", 1)
    mutation = Mutation(
        name=name, operator=operator, function=function, line=3, before="FOR\n  UPDATE", after="", sql="x"
    )
    return Judged(mutation=mutation, fate=fate, **more)


def result(*all_judged: Judged, original: Verdict = Verdict.PASS, exhausted: bool = True) -> GenericResult:
    return GenericResult(
        scenario="refund", original=original, meaning="what was seen", schedules=9, exhausted=exhausted, outcomes=2,
        judged=all_judged, untouched=(Opaque(function="public.c()", reason="language c"),), elapsed_s=1.5,
    )  # fmt: skip


KILLED = judged("f:3 drop_lock", Fate.KILLED, check="once", message="twice", checks=("once", "deadlock"), first=3)
SAME = judged("f:3 drop_check", Fate.EQUIVALENT)
DEAD = judged("f:4 drop_guard", Fate.STILLBORN, reason="syntax error")
SEEN = judged(
    "f:5 drop_guard", Fate.SURVIVED, difference=Difference(subject="accounts.balance", value=6000, usual=(5000, 4000))
)
UNSEEN = judged("f:6 drop_lock", Fate.UNPROVEN, reason="the mutant was not exhausted (9 schedules)")
FAILED = judged("f:7 drop_lock", Fate.ERROR, reason="silent for 30 s")


@pytest.mark.parametrize(
    ("fates", "score", "verdict"),
    [
        ((KILLED, SAME, DEAD), 1.0, Verdict.PASS),
        ((KILLED, SEEN), 0.5, Verdict.VIOLATION),
        ((KILLED, UNSEEN), 0.5, Verdict.VIOLATION),
        ((FAILED,), 0.0, Verdict.ERROR),
        ((SEEN, FAILED), 0.0, Verdict.ERROR),
        ((SAME, DEAD), None, Verdict.INCONCLUSIVE),
        ((), None, Verdict.INCONCLUSIVE),
    ],
)
def test_scores(fates: tuple[Judged, ...], score: float | None, verdict: Verdict) -> None:
    assert result(*fates).score == score
    assert result(*fates).verdict is verdict


@pytest.mark.parametrize("original", [Verdict.VIOLATION, Verdict.INCONCLUSIVE, Verdict.ERROR])
def test_an_original_that_is_not_green_decides(original: Verdict) -> None:
    assert result(original=original).verdict is original
    text = generic_text(result(original=original))
    assert "nothing to measure, the original is not green" in text
    assert "what was seen" in text


def test_the_text_names_every_survivor_by_operator() -> None:
    text = generic_text(result(KILLED, SAME, DEAD, SEEN, UNSEEN, FAILED))
    lines = text.splitlines()
    assert lines[0] == "refund · original green: 9 schedules, all there are; 2 outcomes"
    assert "operator    killed  equivalent  survived  unproven  error  stillborn" in lines
    assert "drop_lock        1           ·         ·         1      1          ·" in lines
    assert "not mutated: public.c() (language c)" in lines
    assert "✗ score 25%: 1 of 4 mutants killed (1.50 s)" in lines
    assert lines[lines.index("survivors of drop_lock") + 1 :][:2] == [
        "✗ f:6 drop_lock  FOR UPDATE → (left out)",
        "    no check of yours sees this; whether it makes a difference is unproven: the mutant was not exhausted "
        "(9 schedules)",
    ]
    assert lines[-3:] == [
        "survivors of drop_guard",
        "✗ f:5 drop_guard  FOR UPDATE → (left out)",
        "    no check of yours sees this: accounts.balance 6000; every interleaving of the original gives 5000 or 4000",
    ]
    assert "f:3" not in text
    assert "killed     f:3 drop_lock" in generic_text(result(KILLED), verbose=True)


def test_text_is_safe_and_says_when_nothing_can_be_equivalent() -> None:
    odd = judged("f:5 drop_guard", Fate.ERROR, reason="\x1b[31mred\nlines")
    text = generic_text(result(odd, exhausted=False))
    assert "\x1b" not in text
    assert "could not be judged, so it was not killed: red lines" in text
    assert "nothing can be called equivalent" in text


def test_json_has_all_of_it() -> None:
    found = json.loads(json.dumps(generic_json(result(KILLED, SEEN, DEAD))))
    assert (found["version"], found["verdict"], found["score"]) == (1, "violation", 0.5)
    assert found["original"] == {
        "observed": "pass", "meaning": "what was seen", "schedules": 9, "exhausted": True, "outcomes": 2,
    }  # fmt: skip
    assert found["operators"]["drop_guard"]["survived"] == found["operators"]["drop_guard"]["stillborn"] == 1
    assert list(found["operators"]) == [o for o in OPERATORS if o in ("drop_lock", "drop_guard")]
    killed, seen, dead = found["mutants"]
    assert (killed["check"], killed["checks"], killed["schedules_to_first_violation"]) == (
        "once",
        ["once", "deadlock"],
        3,
    )
    assert seen["difference"] == {"subject": "accounts.balance", "row": None, "value": 6000, "usual": [5000, 4000]}
    assert (dead["fate"], dead["reason"], dead["difference"]) == ("stillborn", "syntax error", None)
    assert (seen["before"], seen["line"]) == ("FOR UPDATE", 3)
