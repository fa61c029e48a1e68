"""Cases without a database: how a file's tables are taken apart, what is refused, and what results mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.cases import single
from harness.cases.verdict import judged
from harness.errors import ScenarioError, UsageError
from harness.model import (
    PUBLIC_ROLE,
    Case,
    CheckResult,
    LedgerRule,
    Scenario,
    ScenarioResult,
    Schedule,
    Verdict,
    Violation,
)
from harness.report.cases import case_lines, cases_json
from harness.scenario import load_scenario
from harness.schedule import SavedSchedule, decode, encode

HEAD = "version: 1\nname: x\nusers: [alice]\njobs: [j1]\n"


def load(tmp_path: Path, text: str) -> Scenario:
    path = tmp_path / "x.yaml"
    path.write_text(HEAD + text)
    return load_scenario(path)


def sent(case: Case) -> list[tuple[str, str]]:
    return [(s.name, s.sql) for s in case.worker.statements]


def test_an_envelope_is_what_postgrest_sends(tmp_path: Path) -> None:
    text = "cases: [{envelope: postgrest, role: anon, sub: alice, call: \"SELECT f(:'j1')\", expect: denied}]"
    [case] = load(tmp_path, text).cases
    claims = "json_build_object('role', 'anon', 'sub', :'alice')"
    assert sent(case) == [
        ("begin", "BEGIN"),
        ("role", 'SET LOCAL ROLE "anon"'),
        ("claims", f"SELECT set_config('request.jwt.claims', {claims}::text, true)"),
        ("f", "SELECT f(:'j1')"),
        ("commit", "COMMIT"),
    ]
    assert (case.name, case.role, case.call, case.previous) == ("anon_f", "anon", "f", 0)
    assert (case.answer, case.ledger) == ({"sqlstate": "42501"}, LedgerRule.UNCHANGED)
    assert case.worker.role is None
    assert not any(s.tolerated for s in case.worker.statements)


@pytest.mark.parametrize(
    ("role", "envelope", "session"),
    [
        ("public", f'SET LOCAL ROLE "{PUBLIC_ROLE}"', "public"),
        ("owner", "SET LOCAL ROLE NONE", None),
        ("Odd$role", 'SET LOCAL ROLE "Odd$role"', "Odd$role"),
    ],
)
def test_a_role_is_taken_by_the_envelope_else_by_the_session(
    tmp_path: Path, role: str, envelope: str, session: str | None
) -> None:
    [case] = load(tmp_path, f"cases: [{{role: {role}, call: SELECT 1, expect: allowed}}]").cases
    assert (case.worker.role, [s.name for s in case.worker.statements]) == (session, ["call"])
    [case] = load(tmp_path, f"cases: [{{role: {role}, envelope: postgrest, call: SELECT 1, expect: allowed}}]").cases
    assert (case.worker.role, case.worker.statements[1].sql) == (None, envelope)


def test_what_the_previous_user_left_is_sent_first_and_its_errors_are_left_alone(tmp_path: Path) -> None:
    text = "cases: [{previous: [BEGIN, SELECT 1/0], call: SELECT f(1), then: [COMMIT], expect: {sqlstate: 25P02}}]"
    [case] = load(tmp_path, text).cases
    assert [(s.name, s.tolerated) for s in case.worker.statements] == [
        ("previous", True), ("previous_2", True), ("f", True), ("commit", False),
    ]  # fmt: skip
    assert (case.name, case.role, case.previous) == ("owner_f", "owner", 2)


TABLE = """\
cases:
  - name: t
    roles: {service_role: allowed, anon: denied, app: {success: false}}
    ledger: changed
    calls:
      - {refund: {job: j1, user: alice, amount: 1}, expect: {success: true}}
      - {name: own, sql: "SELECT f(1)", ledger: free}
      - SELECT f(2)
      - SELECT f(3)
"""


def test_a_table_is_every_call_by_every_role_and_words_for_others_leave_the_refused_alone(tmp_path: Path) -> None:
    cases = load(tmp_path, TABLE).cases
    assert [(c.name, dict(c.answer), c.ledger.value) for c in cases] == [
        ("t_service_role_refund", {"success": True}, "changed"),
        ("t_anon_refund", {"sqlstate": "42501"}, "unchanged"),
        ("t_app_refund", {"success": False}, "unchanged"),
        ("t_service_role_own", {}, "free"),
        ("t_anon_own", {"sqlstate": "42501"}, "unchanged"),
        ("t_app_own", {"success": False}, "unchanged"),
        ("t_service_role_f", {}, "changed"),
        ("t_anon_f", {"sqlstate": "42501"}, "unchanged"),
        ("t_app_f", {"success": False}, "unchanged"),
        ("t_service_role_f_2", {}, "changed"),
        ("t_anon_f_2", {"sqlstate": "42501"}, "unchanged"),
        ("t_app_f_2", {"success": False}, "unchanged"),
    ]
    assert cases[0].worker.statements[0].call is not None


# ruff: noqa: E501
WRONG = {
    "no answer": ("cases: [{call: SELECT 1}]", 5, 10, "a case declares what is answered: `expect`"),
    "no call": ("cases: [{role: anon}]", 5, 9, "give exactly one of call, calls (found none)"),
    "two kinds": ("cases:\n  - {call: SELECT 1, calls: [SELECT 2]}", 6, 5, "found call and calls"),
    "role and roles": ("cases:\n  - {call: SELECT 1, role: a, roles: {b: denied}}", 6, 5, "`role` or `roles`, not both"),
    "a word": ("cases: [{call: SELECT 1, expect: allow}]", 5, 26, "found 'allow'; did you mean 'allowed'?"),
    "an answer of nothing": ("cases:\n  - roles: {a: }\n    calls: [SELECT 1]", 6, 13, "found nothing"),
    "a state as a number": ("cases: [{call: SELECT 1, expect: {sqlstate: 42501}}]", 5, 26, "in quotes, found 42501"),
    "a state of four": ("cases: [{call: SELECT 1, expect: {sqlstate: P002}}]", 5, 26, "must be five digits"),
    "an envelope": ("cases: [{call: SELECT 1, envelope: rest, expect: denied}]", 5, 26, "must be 'postgrest'"),
    "sub alone": ("cases: [{call: SELECT 1, sub: alice, expect: denied}]", 5, 9, "is what `sub` belongs to"),
    "sub unknown": ("cases: [{call: SELECT 1, envelope: postgrest, sub: alic, expect: denied}]", 5, 47, "did you mean 'alice'"),
    "then": ("cases: [{call: SELECT 1, envelope: postgrest, then: [COMMIT], expect: denied}]", 5, 9, "leave `then` out"),
    "a role's name": ('cases: [{call: SELECT 1, role: "a b", expect: denied}]', 5, 26, "'a b' is not a role name"),
    "a role of a table": ('cases: [{calls: [SELECT 1], roles: {"a b": denied}}]', 5, 37, "'a b' is not a role name"),
    "a name twice": (
        "cases:\n  - {name: a, call: SELECT 1, expect: denied}\n  - {name: a, call: SELECT 2, expect: denied}",
        7, 15, "a second case 'a'",
    ),
    "bad SQL": ("cases: [{call: SELECT FROM FROM, expect: denied}]", 5, 28, "bad SQL"),
    "two commands": ("cases: [{call: SELECT 1; SELECT 2, expect: denied}]", 5, 26, "one SQL command, found 2"),
    "bad SQL before it": ("cases: [{previous: [SELEC 1], call: SELECT 1, expect: denied}]", 5, 21, "bad SQL"),
    "an unknown id": ("cases: [{call: \"SELECT :'bob'\", expect: denied}]", 5, 24, "unknown variable :'bob'"),
    "two-phase": ("cases: [{previous: [PREPARE TRANSACTION 'a'], call: SELECT 1, expect: denied}]", 5, 21, "two-phase"),
    "legacy": ("cases: [{call: {legacy_refund: {}}, expect: denied}]", 5, 17, "unknown key 'legacy_refund'"),
    "orders": ("cases: [{call: SELECT 1, expect: denied}]\norders: [all]", 6, 1, "`orders` needs `workers`"),
    "faults": ("cases: [{call: SELECT 1, expect: denied}]\nfaults: [all]", 6, 1, "`faults` needs `workers`"),
    "none": ("cases: []", 5, 1, "'cases' must not be empty"),
    "a worker's answer": (
        "cases: [{call: SELECT 1, expect: denied}]\nexpect: {one: {a: 1}}", 6, 10, "unknown worker 'one'",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said_where_it_stands(tmp_path: Path, text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path, text)
    assert message in caught.value.message
    assert (caught.value.line, caught.value.column) == (line, column)
    assert "\n" not in str(caught.value)


def result(*violated: str, expect: tuple[str, ...] = (), verdict: Verdict = Verdict.INCONCLUSIVE) -> ScenarioResult:
    found = tuple(
        CheckResult(check=c, examined=1, violations=(Violation(check=c, message="broken"),)) for c in violated
    )
    return ScenarioResult(
        name="x", file="x.yaml", about="", verdict=verdict, observed=verdict, expect=expect, strategy="",
        schedules=0, exhausted=False, meaning="", elapsed_s=0.0, checks=found,
    )  # fmt: skip


P, I, V = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.VIOLATION  # noqa: E741


@pytest.mark.parametrize(
    ("campaign", "seen", "complete", "alone", "expected"),
    [
        (result(), (), True, True, (P, P)),
        (result(), (), False, True, (I, I)),
        (result(), ("a",), True, True, (V, V)),
        (result(expect=("a",)), ("a",), True, True, (P, V)),
        (result(expect=("a",)), (), True, True, (V, P)),
        (result(expect=("a",)), ("a", "b"), True, True, (V, V)),
        (result(expect=("a", "b")), ("a",), True, True, (V, V)),
        (result(verdict=P), (), True, False, (P, P)),
        (result(verdict=P), (), False, False, (I, P)),
        (result(verdict=P), ("a",), True, False, (V, V)),
        (result(verdict=I), (), True, False, (I, I)),
        (result("a", verdict=V), (), False, False, (V, V)),
        (result("a", expect=("a",), verdict=P), ("a",), True, False, (P, V)),
        (result("a", expect=("a", "b"), verdict=V), ("b",), True, False, (P, V)),
        (result("a", expect=("a",), verdict=P), ("b",), True, False, (V, V)),
    ],
)
def test_what_calls_and_campaign_mean_together(
    campaign: ScenarioResult, seen: tuple[str, ...], complete: bool, alone: bool, expected: tuple[Verdict, Verdict]
) -> None:
    assert judged(campaign, seen, complete=complete, alone=alone) == expected


def test_a_case_is_a_scenario_of_its_own_and_one_that_is_gone_is_missed(tmp_path: Path) -> None:
    scenario = load(tmp_path, TABLE)
    alone, case = single(scenario, "t_anon_own")
    assert (alone.workers, alone.interleavings, alone.state) == ((case.worker,), (case,), ())
    with pytest.raises(UsageError, match="has no case 'gone' any more"):
        single(scenario, "gone")


def test_a_saved_case_is_named_in_its_header() -> None:
    saved = SavedSchedule(
        scenario="x", file="x.yaml", hash="0", server="18", order=0, checks=("a",),
        schedule=Schedule(seed=0, decisions=()), case="t_anon_own",
    )  # fmt: skip
    text = encode(saved)
    assert "\ncase: t_anon_own\n\n" in text
    assert decode(text, "x") == saved
    assert decode(encode(replace(saved, retry="w")), "x") == replace(saved, retry="w")


def test_nothing_is_reported_of_a_scenario_without_cases() -> None:
    assert cases_json(()) == []
    assert case_lines(result()) == []
