"""What a result says: verdict before and after ``expect``, the honest sentence, the exit code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from histories import run, scenario
from orders import choices

from harness.campaign import Options, conclude
from harness.coverage import Coverage
from harness.errors import DriverError, HarnessError, NondeterminismError, ScenarioError, TargetError, UsageError
from harness.model import EXIT_CODES, CheckResult, Opaque, Order, ScenarioResult, Search, Verdict, Violation
from harness.run import worst
from harness.tally import KEEP, Searched, Tally

PASS, VIOLATION, INCONCLUSIVE, ERROR = Verdict.PASS, Verdict.VIOLATION, Verdict.INCONCLUSIVE, Verdict.ERROR
ALL = Searched(strategy="exhaustive", executed=6, exhausted=True)
WORKERS = run("a begin\na refund\na commit\nb refund").scenario.workers


def told(
    *seen: str,
    executed: int = 6,
    searches: tuple[Searched, ...] = (ALL,),
    expect: tuple[str, ...] = (),
    require_exhausted: bool = False,
    error: str | None = None,
    **tally: Any,
) -> ScenarioResult:
    values = {"overlapped": True, "changed": True, **tally}
    counted = Tally(executed=executed, searches=list(searches), **values)
    counted.violations = {c: [Violation(check=c, message="")] for c in seen}
    if seen:
        counted.first_violation = (3, 0.5)
    plan = (Search(strategy=searches[0].strategy) if searches else Order(steps=()),)
    found = scenario(WORKERS, expect_violation=expect, interleavings=plan)
    return conclude(found, Options(require_exhausted=require_exhausted), counted, "18.6", 1.0, error)


NOT_INSIDE = "nothing was interleaved inside a statement."
SAMPLED = (Searched(strategy="random_walk", executed=100, exhausted=False),)
INSIDE = replace(ALL, strategy="auto", inside=True)
PCT = Searched(
    strategy="auto", executed=2000, exhausted=False, inside=True, facts={"depth": 3, "n": 2, "k": 18, "missed": 0.0123}
)
TOGETHER = Searched(strategy="free_running", executed=200, exhausted=False, facts={"released": 200, "hits": 31})
SEEN = Coverage()
for text in ("a.x b.x b.y a.y", "b.x a.x b.y a.y"):
    SEEN.add(choices(text))
CASES: dict[str, tuple[dict[str, Any], Verdict, Verdict, str]] = {
    "every order was executed": (
        {}, PASS, PASS,
        "Every order of the 4 statements of 2 workers was covered by 6 executions on PostgreSQL 18.6: no check "
        "failed. Nothing was interleaved inside a statement."),
    "every point was covered": (
        {"searches": (INSIDE,), "coverage": SEEN}, PASS, PASS,
        "Every interleaving of the 4 statements of 2 workers at their 4 points was covered by 6 executions on "
        "PostgreSQL 18.6: no violation is possible at these points."),
    "a point that nobody shared": (
        {"searches": (PCT,), "coverage": SEEN}, PASS, PASS, "at a.y no other worker was ever under way."),
    "every point but those of a function that runs as one step": (
        {"searches": (INSIDE,), "opaque": (Opaque(function="pay", reason="BEGIN ATOMIC"),)}, PASS, PASS,
        "Pay ran as one step (BEGIN ATOMIC)."),
    "every point, and one exact order": (
        {"searches": (INSIDE,), "orders": 1}, PASS, PASS, "covered by 6 executions and 1 exact order on PostgreSQL"),
    "every point, and all statements": ({"searches": (INSIDE, ALL)}, PASS, PASS, "18.6: no violation is possible"),
    "with what probability it was missed": (
        {"searches": (PCT,)}, PASS, PASS,
        "2,000 schedules by auto executed (a given race of depth 3 among n=2 workers and at most k=18 points is missed "
        "by pct with probability below 0.012) on PostgreSQL 18.6: no check failed. Other orders were not tried."),
    "broken even serially": (
        {"seen": ["deadlock"], "serially": True}, VIOLATION, VIOLATION,
        "Broken even serially: deadlock was violated with the workers one after the other."),
    "released together": (
        {"seen": ["deadlock"], "searches": (TOGETHER,)}, VIOLATION, VIOLATION,
        "deadlock was violated in 31 of 200 executions in which the workers were released together"),
    "released together, nothing found": (
        {"searches": (replace(TOGETHER, facts={"released": 200, "hits": 0}),)}, PASS, PASS,
        "released together, in no order: a chance, not a proof"),
    "some orders were sampled": (
        {"searches": SAMPLED}, PASS, PASS,
        f"100 schedules by random_walk executed on PostgreSQL 18.6: no check failed. Other orders were not tried and "
        f"{NOT_INSIDE}"),
    "one exact order": ({"searches": (), "orders": 1}, PASS, PASS, "1 exact order executed on PostgreSQL 18.6"),
    "two exact orders and all": ({"orders": 2}, PASS, PASS, "covered by 6 executions and 2 exact orders on"),
    "the budget ended first": (
        {"searches": SAMPLED, "out_of_time": True}, PASS, PASS,
        f"Other orders were not tried, the budget ended before the limits and {NOT_INSIDE}"),
    "exhaustion was asked for and reached": ({"require_exhausted": True}, PASS, PASS, "no check failed"),
    "exhaustion was asked for and not reached": (
        {"require_exhausted": True, "searches": SAMPLED}, PASS, INCONCLUSIVE, "Other orders were not tried"),
    "exhaustion was asked for and one search of two reached it": (
        {"require_exhausted": True, "searches": (ALL, *SAMPLED)}, PASS, INCONCLUSIVE,
        "no check failed"),
    "exhaustion was asked for and nothing was searched": (
        {"require_exhausted": True, "searches": (), "orders": 1}, PASS, INCONCLUSIVE, "no check failed"),
    "nothing was executed": ({"executed": 0}, INCONCLUSIVE, INCONCLUSIVE, "No schedule was completed."),
    "nothing was executed in time": (
        {"executed": 0, "out_of_time": True}, INCONCLUSIVE, INCONCLUSIVE, "Not reached within the budget."),
    "nothing changed": ({"changed": False}, INCONCLUSIVE, INCONCLUSIVE, "No schedule changed the ledger"),
    "nothing overlapped": ({"overlapped": False}, INCONCLUSIVE, INCONCLUSIVE, "No two workers ever overlapped"),
    "nothing changed in a system known to be bad": (
        {"changed": False, "expect": ("deadlock",)}, INCONCLUSIVE, INCONCLUSIVE, "No schedule changed the ledger"),
    "a violation": (
        {"seen": ["deadlock"]}, VIOLATION, VIOLATION, "deadlock was violated at schedule 3 of 6."),
    "two violations": (
        {"seen": ["liveness", "deadlock"]}, VIOLATION, VIOLATION,
        "deadlock and liveness were violated at schedule 3 of 6."),
    "a violation without overlap or change": (
        {"seen": ["deadlock"], "overlapped": False, "changed": False}, VIOLATION, VIOLATION, "deadlock was violated"),
    "the documented violation": (
        {"seen": ["deadlock"], "expect": ("deadlock",)}, VIOLATION, PASS,
        "A known-bad system: deadlock was violated at schedule 3, as documented."),
    "the documented violation and what follows from it": (
        {"seen": ["deadlock", "answer"], "expect": ("deadlock",)}, VIOLATION, PASS, "A known-bad system: deadlock"),
    "another violation than the documented one": (
        {"seen": ["answer"], "expect": ("deadlock",)}, VIOLATION, VIOLATION,
        "answer was violated; deadlock, which this scenario documents, never was."),
    "one of two documented violations": (
        {"seen": ["answer"], "expect": ("answer", "deadlock")}, VIOLATION, VIOLATION, "deadlock, which this scenario"),
    "the documented violation never came": ({"expect": ("deadlock",)}, PASS, VIOLATION, ""),
    "an error": ({"error": "T3: it broke"}, ERROR, ERROR, "T3: it broke"),
    "an error after a violation": ({"error": "it broke", "seen": ["deadlock"]}, ERROR, ERROR, "it broke"),
    "an error where a violation was documented": (
        {"error": "it broke", "seen": ["deadlock"], "expect": ("deadlock",)}, ERROR, ERROR, "it broke"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "observed", "verdict", "sentence"), CASES.values(), ids=CASES.keys())
def test_verdict_and_sentence(given: dict[str, Any], observed: Verdict, verdict: Verdict, sentence: str) -> None:
    given = {**given}
    result = told(*given.pop("seen", ()), **given)
    assert (result.observed, result.verdict) == (observed, verdict)
    assert sentence in result.meaning
    assert result.meaning


def test_a_result_says_how_long_it_took_to_the_first_violation() -> None:
    result = told("deadlock")
    assert (result.schedules_to_first_violation, result.seconds_to_first_violation) == (3, 0.5)
    assert told().schedules_to_first_violation is None


def test_the_strategy_is_the_one_asked_for_and_exact_orders_stay() -> None:
    found = scenario(WORKERS, interleavings=(Order(steps=()), Search(strategy="exhaustive"), Order(steps=())))
    for options, expected in (
        (Options(), "fixed, exhaustive"),
        (Options(strategy="random_walk"), "fixed, random_walk"),
    ):
        assert conclude(found, options, Tally(), "18.6", 0.0, None).strategy == expected


RANKS = {
    "nothing at all": ([], INCONCLUSIVE, 3),
    "all pass": ([PASS, PASS], PASS, 0),
    "one is inconclusive": ([PASS, INCONCLUSIVE], INCONCLUSIVE, 3),
    "a violation is worse than inconclusive": ([INCONCLUSIVE, VIOLATION, PASS], VIOLATION, 1),
    "an error is the worst": ([VIOLATION, ERROR, INCONCLUSIVE], ERROR, 4),
}


@pytest.mark.parametrize(("verdicts", "expected", "code"), RANKS.values(), ids=RANKS.keys())
def test_the_worst_scenario_decides(verdicts: list[Verdict], expected: Verdict, code: int) -> None:
    assert worst([replace(told(), verdict=v) for v in verdicts]) is expected
    assert EXIT_CODES[expected] == code


def test_errors_carry_the_exit_code_that_the_command_line_promises() -> None:
    assert {e.exit_code for e in (HarnessError, TargetError, DriverError, NondeterminismError)} == {4}
    assert {e.exit_code for e in (UsageError, ScenarioError)} == {2}


def test_the_tally_counts_all_and_keeps_the_first_few() -> None:
    tally = Tally()
    for n in range(10):
        found = (Violation(check="x", message=str(n)),)
        assert tally.add((CheckResult(check="x", examined=2, violations=found, notes=found),)) == list(found)
    [result] = tally.checks
    assert (tally.executed, result.examined, tally.seen) == (10, 20, {"x"})
    assert [v.message for v in result.violations] == [v.message for v in result.notes] == [str(n) for n in range(KEEP)]


def test_a_note_is_no_violation() -> None:
    tally = Tally()
    assert tally.add((CheckResult(check="x", examined=1, notes=(Violation(check="x", message=""),)),)) == []
    assert not tally.seen
