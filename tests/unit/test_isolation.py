"""Isolation levels as text: on the command line, in scenario files, in saved schedules; and what they come to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from psycopg.conninfo import conninfo_to_dict

from harness.campaign import Options
from harness.driver.levels import level_in, sets_own_level, with_level
from harness.errors import ScenarioError, UsageError
from harness.isolation.scenario import at_level, at_own_level, orders_left_out
from harness.isolation.verdict import level_verdict, with_rows
from harness.model import (
    LEVELS,
    CheckResult,
    Choice,
    Decision,
    LevelResult,
    RunResult,
    Scenario,
    ScenarioResult,
    Schedule,
    Search,
    Verdict,
    Violation,
)
from harness.report.html import render_html
from harness.report.level_table import level_lines
from harness.report.results import results_json
from harness.scenario import load_scenario
from harness.scenario.levels import parse_levels
from harness.scenario.schema import schema_text
from harness.schedule import SavedSchedule, decode, encode

SCENARIO = """\
version: 1
name: s
setup:
  - charge: {user: alice, job: j1, opening: 5000, amount: 1000}
workers:
  a: {role: service_role, transaction: [{refund: {job: j1, user: alice, amount: 1000}}]}
  b: {role: service_role, transaction: [{refund: {job: j1, user: alice, amount: 1000}}]}
"""


def loaded(tmp_path: Path, more: str) -> Scenario:
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO + more)
    return load_scenario(path)


# ------------------------------------------------------------------------------------------------------ names


def test_names_on_the_command_line() -> None:
    assert parse_levels("all") == tuple(LEVELS)
    assert parse_levels("serializable, read_committed,serializable") == ("read_committed", "serializable")
    with pytest.raises(UsageError, match=r"--isolation: unknown 'serialisable'; did you mean 'serializable'\?"):
        parse_levels("serialisable")
    with pytest.raises(UsageError, match="--isolation: name some of read_committed"):
        parse_levels(" , ")


@pytest.mark.parametrize(
    ("written", "levels"),
    [
        ("[all]", dict.fromkeys(LEVELS)),
        ("[serializable, read_committed]", {"read_committed": None, "serializable": None}),
        ("[]", {}),
        ("{serializable: pass}", {"serializable": ()}),
        (
            "{serializable: pass, read_committed: {violation: deadlock}}",
            {"read_committed": ("deadlock",), "serializable": ()},
        ),
        (
            "{repeatable_read: {violation: [serial_equivalence, money_conserved]}}",
            {"repeatable_read": ("serial_equivalence", "money_conserved")},
        ),
    ],
)
def test_the_key_of_a_scenario(written: str, levels: dict[str, Any], tmp_path: Path) -> None:
    scenario = loaded(tmp_path, f"isolation: {written}\n")
    assert dict(scenario.levels) == levels
    assert list(scenario.levels) == [level for level in LEVELS if level in levels]


@pytest.mark.parametrize(
    ("written", "where", "message", "editor_sees"),
    [
        ("serializable", "8:1", "'isolation' is a list of levels, or a mapping", True),
        ("[serialisable]", "8:13", "unknown isolation level 'serialisable'; did you mean 'serializable'?", True),
        ("[read_committed, [all]]", "8:29", r"unknown isolation level ['all']", True),
        ("{serialisable: pass}", "8:13", "unknown isolation level 'serialisable'", True),
        ("{all: pass}", "8:13", "unknown isolation level 'all'", True),
        ("{serializable: fail}", "8:13", "a level is `pass`, or `{violation: …}`", True),
        ("{serializable: {violation: []}}", "8:13", "a level is `pass`, or `{violation: …}`", True),
        ("{serializable: {violation: deadlok}}", "8:28", "unknown check 'deadlok'; did you mean 'deadlock'?", False),
        ("{serializable: {violation: [deadlock, x]}}", "8:50", "unknown check 'x'", False),
    ],
)
def test_what_is_no_level_is_told_with_its_place(
    written: str, where: str, message: str, editor_sees: bool, tmp_path: Path
) -> None:
    with pytest.raises(ScenarioError) as raised:
        loaded(tmp_path, f"isolation: {written}\n")
    assert f"s.yaml:{where}: {message}" in str(raised.value)
    from harness.scenario import yamltext

    schema = jsonschema.Draft202012Validator(json.loads(schema_text()))
    assert schema.is_valid(yamltext.read(tmp_path / "s.yaml").data) is not editor_sees


def test_the_header_of_a_saved_schedule() -> None:
    choice = Choice(worker="a", step="begin")
    saved = SavedSchedule(
        scenario="s", file="s.yaml", hash="00", server="18.6", order=0, checks=("deadlock",), without=("b",),
        schedule=Schedule(seed=0, decisions=(Decision(choice=choice, enabled=(choice,)),)), isolation="repeatable_read",
    )  # fmt: skip
    assert decode(encode(saved), "x") == saved
    plain = replace(saved, isolation="")
    assert "isolation" not in encode(plain)
    assert decode(encode(plain), "x") == plain
    with pytest.raises(UsageError, match="x:10:1: no such isolation level: 'repeatable'"):
        decode(encode(saved).replace("repeatable_read", "repeatable"), "x")


# --------------------------------------------------------------------------------------------------- scenarios


def test_exact_orders_and_their_answers_are_left_out_at_another_level(tmp_path: Path) -> None:
    text = "orders:\n  - [a.begin, a.refund, a.commit]\n{}expect: {{a: {{success: true}}}}\n"
    scenario = loaded(tmp_path, text.format(""))
    there = at_level(scenario, "serializable")
    assert there.interleavings == (Search(strategy="auto"),)
    assert (there.name, dict(there.expect), orders_left_out(scenario)) == ("s-serializable", {}, 1)
    searched = loaded(tmp_path, text.format("  - {strategy: pct, schedules: 7}\n  - follow: [b.begin]\n"))
    assert at_level(searched, "serializable").interleavings == searched.interleavings[1:]
    followed = loaded(tmp_path, text.format("  - follow: [b.begin]\n"))
    assert [i.strategy for i in at_level(followed, "serializable").interleavings] == ["follow", "auto"]


def test_what_is_said_of_a_level_holds_in_place_of_what_is_expected(tmp_path: Path) -> None:
    scenario = loaded(tmp_path, "isolation: {serializable: pass}\nexpect: {violation: deadlock}\n")
    assert at_level(scenario, "serializable").expect_violation == ()
    assert at_own_level(scenario, "serializable").expect_violation == ()
    assert at_level(scenario, "repeatable_read").expect_violation == ("deadlock",)
    assert at_own_level(scenario, "read_committed") is scenario


@pytest.mark.parametrize(
    ("statements", "own"),
    [
        ("{isolation: serializable, transaction: [SELECT 1]}", True),
        ("{statements: [BEGIN ISOLATION LEVEL  repeatable READ, COMMIT]}", True),
        ("{statements: [START TRANSACTION ISOLATION LEVEL SERIALIZABLE, COMMIT]}", True),
        ("{statements: [BEGIN, SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, COMMIT]}", True),
        ("{statements: [SET default_transaction_isolation = 'serializable', SELECT 1]}", True),
        ("{statements: [\"SELECT 'isolation level serializable'\"]}", False),
        ("{transaction: [SELECT 1]}", False),
    ],
)
def test_workers_that_set_a_level_of_their_own_are_known(statements: str, own: bool, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"version: 1\nname: s\nworkers:\n  a: {statements}\n")
    [worker] = load_scenario(path).workers
    assert sets_own_level(worker) is own


def test_a_level_in_a_statement() -> None:
    assert level_in("begin isolation level Repeatable\n Read") == "repeatable read"
    assert level_in("BEGIN") is None


def test_a_sessions_level_stands_beside_what_else_its_connection_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGOPTIONS", raising=False)
    options = conninfo_to_dict(with_level("host=x options='-c work_mem=1MB'", "repeatable read"))["options"]
    assert options == r"-c work_mem=1MB -c default_transaction_isolation=repeatable\ read"
    monkeypatch.setenv("PGOPTIONS", "-c jit=off")
    assert "-c jit=off -c default_tr" in str(conninfo_to_dict(with_level("host=x", "serializable"))["options"])
    assert with_level("host=x", None) == "host=x"


# ---------------------------------------------------------------------------------------------------- verdicts


def result(observed: Verdict, expect: tuple[str, ...] = (), violated: tuple[str, ...] = ()) -> ScenarioResult:
    """Of a campaign, with the verdict that it gives itself."""
    as_expected = set(expect) <= set(violated) and bool(expect)
    verdict = Verdict.PASS if as_expected else Verdict.VIOLATION if expect and observed is Verdict.PASS else observed
    checks = tuple(CheckResult(check=c, examined=1, violations=(Violation(check=c, message="m"),)) for c in violated)
    return ScenarioResult(
        name="s", file="s.yaml", about="", verdict=verdict, observed=observed, expect=expect, strategy="auto",
        schedules=3, exhausted=observed is Verdict.PASS, meaning="What was seen.", elapsed_s=1.0, checks=checks,
    )  # fmt: skip


RED, GREEN, NOTHING = Verdict.VIOLATION, Verdict.PASS, Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("said", "expect", "seen", "verdict"),
    [
        ("[serializable]", "[]", (), GREEN),
        ("[serializable]", "[]", ("deadlock",), RED),
        # What the scenario documents is no finding at another level, and need not show there.
        ("[serializable]", "deadlock", ("deadlock", "serial_equivalence"), GREEN),
        ("[serializable]", "deadlock", (), GREEN),
        ("[serializable]", "deadlock", ("serial_equivalence",), RED),
        # What is said of the level by name must be so.
        ("{serializable: pass}", "deadlock", (), GREEN),
        ("{serializable: pass}", "deadlock", ("deadlock",), RED),
        ("{serializable: {violation: deadlock}}", "[]", ("deadlock",), GREEN),
        ("{serializable: {violation: deadlock}}", "[]", (), RED),
        ("{serializable: {violation: deadlock}}", "[]", ("serial_equivalence",), RED),
    ],
)
def test_the_verdict_of_a_level(
    said: str, expect: str, seen: tuple[str, ...], verdict: Verdict, tmp_path: Path
) -> None:
    scenario = loaded(tmp_path, f"isolation: {said}\nexpect: {{violation: {expect}}}\n")
    expected = at_level(scenario, "serializable").expect_violation
    found = result(RED if seen else GREEN, expected, seen)
    assert level_verdict(scenario, "serializable", found, Options()) is verdict


def test_what_showed_nothing_is_inconclusive_whatever_is_documented(tmp_path: Path) -> None:
    scenario = loaded(tmp_path, "isolation: [all]\nexpect: {violation: deadlock}\n")
    found = result(NOTHING, ("deadlock",))
    assert level_verdict(scenario, "serializable", found, Options()) is NOTHING
    sampled = replace(result(GREEN, ("deadlock",)), exhausted=False)
    assert level_verdict(scenario, "serializable", sampled, Options(require_exhausted=True)) is NOTHING


def row(level: str, verdict: Verdict, **more: Any) -> LevelResult:
    given: dict[str, Any] = {
        "own": False, "observed": verdict, "expect": (), "strategy": "auto", "schedules": 24, "lost": 0,
        "exhausted": verdict is GREEN, "meaning": "Nothing ever overlapped.",
    }  # fmt: skip
    return LevelResult(level=level, verdict=verdict, **{**given, **more})


ROWS = (
    row("read_committed", GREEN, own=True, strategy="fixed", exhausted=False, schedules=1),
    row(
        "repeatable_read",
        GREEN,
        observed=RED,
        exhausted=False,
        violated=("x", "y", "z"),
        lost=3,
        message="gone",
        expect=("x",),
    ),
    row("serializable", RED, violated=("x",), message="gone", replay="reports/a b.schedule", set_by=("b",), left_out=1),
)


@pytest.mark.parametrize(
    ("own", "others", "verdict", "observed"),
    [
        (GREEN, [GREEN, GREEN], GREEN, GREEN),
        (GREEN, [RED, GREEN], RED, RED),
        (GREEN, [GREEN, NOTHING], NOTHING, NOTHING),
        (NOTHING, [GREEN, GREEN], NOTHING, NOTHING),
        (RED, [GREEN, GREEN], RED, RED),
        (GREEN, [RED, Verdict.ERROR], Verdict.ERROR, Verdict.ERROR),
    ],
)
def test_the_worst_level_is_the_scenarios_verdict(
    own: Verdict, others: list[Verdict], verdict: Verdict, observed: Verdict
) -> None:
    rows = [row("read_committed", own, own=True), *(row(*p) for p in zip(list(LEVELS)[1:], others, strict=True))]
    whole = with_rows(result(own), rows, (), 2.0)
    assert (whole.verdict, whole.observed, whole.elapsed_s, whole.schedules) == (verdict, observed, 3.0, 3)


def test_a_level_in_words() -> None:
    said = with_rows(result(GREEN), ROWS, (), 0).meaning
    assert said == (
        "What was seen. At REPEATABLE READ (24 schedules; 3 lost a worker to a serialization failure) x, y and z were "
        "violated, as documented. At SERIALIZABLE (24 schedules) x was violated."
    )
    missed = row("serializable", RED, observed=GREEN, expect=("x",), exhausted=True)
    assert "At SERIALIZABLE (24 schedules, all there are) nothing was violated, though x is documented there." in (
        with_rows(result(GREEN), [ROWS[0], missed], (), 0).meaning
    )


def run_of(rows: tuple[LevelResult, ...]) -> RunResult:
    return RunResult(
        verdict=RED, seed=0, server_version="18.6", elapsed_s=1, scenarios=(replace(result(GREEN), levels=rows),)
    )


def test_the_table() -> None:
    assert level_lines(run_of(ROWS)) == [
        "isolation                                violated         schedules  proof           lost a worker to 40001",
        "s",
        "  READ COMMITTED (own)  ✓ pass           –                1          exact orders    0",
        "  REPEATABLE READ       ✓ as documented  x, y and 1 more  24         until violated  3",
        "  SERIALIZABLE          ✗ violation      x                24         until violated  0",
        "✗ s at SERIALIZABLE: gone",
        "    again harness replay 'reports/a b.schedule'",
        "exact orders, which hold for a scenario's own level and were left out at others: s 1",
    ]
    set_by = tuple(replace(r, set_by=("b",)) for r in ROWS)
    assert level_lines(run_of(set_by))[-2] == "s: of b the level counts that they set themselves, whatever the row says"
    unreached = row("serializable", NOTHING, schedules=0, meaning="Not reached.")
    assert level_lines(run_of((ROWS[0], unreached)))[-2:] == [
        "  SERIALIZABLE          ? inconclusive  –         0          –             0",
        "? s at SERIALIZABLE: Not reached.",
    ]
    missed = row("serializable", RED, observed=GREEN, meaning="It never was.", exhausted=True)
    assert level_lines(run_of((ROWS[0], missed)))[-2:] == [
        "  SERIALIZABLE          ✗ not as documented  –         24         all there are  0",
        "✗ s at SERIALIZABLE: It never was.",
    ]


def test_results_and_page_have_the_rows_too() -> None:
    [scenario] = results_json(run_of(ROWS))["scenarios"]
    assert [r["level"] for r in scenario["isolation"]] == list(LEVELS)
    assert scenario["isolation"][1] == {
        "level": "repeatable_read", "own": False, "verdict": "pass", "observed": "violation", "expect": ["x"],
        "violated": ["x", "y", "z"], "message": "gone", "strategy": "auto", "schedules": 24, "exhausted": False,
        "lost_to_serialization_failure": 3, "set_by_themselves": [], "exact_orders_left_out": 0,
        "meaning": "Nothing ever overlapped.", "replay": "",
    }  # fmt: skip
    assert "isolation" not in results_json(run_of(()))["scenarios"][0]
    page = render_html(run_of(ROWS))
    assert (
        "REPEATABLE READ: as documented, x, y and 1 more, 24 schedules, until violated, 3 lost a worker to 40001"
        in page
    )
