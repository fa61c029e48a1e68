"""Cases on a real server: green on the shipped functions; each planted bug is red in the cases that it should be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from commands import harness

from harness.api import assert_no_violation
from harness.campaign import Options, Silent
from harness.driver.pool import WorkerPool
from harness.model import ScenarioResult, Verdict
from harness.replay import read_saved, replay, scenario_of
from harness.run import run_one
from harness.scenario import load_scenario
from harness.stage import Stages
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "scenarios"
MIGRATIONS = ROOT / "sql" / "migrations"
REFUND = (MIGRATIONS / "migration_atomic_job_refund.sql").read_text()
BALANCES = (MIGRATIONS / "03_balance_functions.sql").read_text()

Run = Callable[..., ScenarioResult]


@pytest.fixture
def run(target: EmbeddedTarget, databases: Databases, pool: WorkerPool, tmp_path: Path) -> Run:
    def one(path: Path, only: str = "", options: Options | None = None) -> ScenarioResult:
        """``only``: the cases whose names match, to save time."""
        scenario = load_scenario(path)
        scenario = replace(scenario, cases=tuple(c for c in scenario.cases if re.search(only, c.name)))
        stages = Stages(scenario, target, databases, pool)
        try:
            options = options or Options(folder=tmp_path)
            return run_one(scenario, stages, options, Silent(), target.server_version)
        finally:
            stages.close()

    return one


def planted(tmp_path: Path, scenario: str, sql: str, *, after: str = "") -> Path:
    """The shipped ``scenario`` with ``sql`` installed last."""
    (tmp_path / "bug.sql").write_text(sql)
    text = (SCENARIOS / f"{scenario}.yaml").read_text()
    old = f"install: [{after}]\n" if after else "setup:"
    new = f"install: [{after}, bug.sql]\n" if after else "install: [migrations, bug.sql]\nsetup:"
    assert old in text
    path = tmp_path / f"{scenario}.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


def broken(source: str, old: str, new: str) -> str:
    assert old in source
    return source.replace(old, new)


def red(result: ScenarioResult) -> dict[str, set[str]]:
    return {c.case.name: set(c.checks) for c in result.cases if c.checks}


@pytest.mark.parametrize(
    "name", ["roles", "bad_input", "row_security", "row_security_forced", "row_security_owner_policy"]
)
def test_the_shipped_functions_answer_as_declared_and_that_is_a_pass(name: str, run: Run) -> None:
    result = run(SCENARIOS / f"{name}.yaml")
    assert (result.verdict, result.observed, red(result)) == (Verdict.PASS, Verdict.PASS, {})
    assert result.exhausted
    assert result.schedules == len(result.cases) == len(load_scenario(SCENARIOS / f"{name}.yaml").cases)
    assert f"{len(result.cases)} single calls answered as declared" in result.meaning
    assert result.meaning.endswith("nothing was interleaved.")


@pytest.mark.own_server("it takes a superuser")
def test_execute_left_with_public_is_red_for_every_role_that_must_not(run: Run, tmp_path: Path) -> None:
    sql = "GRANT EXECUTE ON FUNCTION refund_job_atomic(text, uuid, integer, text) TO PUBLIC"
    text = planted(tmp_path, "roles", sql).read_text()
    (tmp_path / "roles.yaml").write_text(text.replace("invariants: [ledger, execute_privilege]", ""))
    result = run(tmp_path / "roles.yaml", "refund$|pooled_(role|local|open)")
    assert result.verdict is Verdict.VIOLATION
    both = {"declared_answer", "ledger_unchanged"}
    denied = ("authenticated", "anon", "public")
    assert red(result) == {
        **{f"{role}_refund": both for role in denied},
        **{f"session_{role}_refund": both for role in denied},
        **{f"pooled_role_{role}_refund": both for role in denied},
        "pooled_role_lost": both,
        "pooled_local_role": both,
        # The charge that was left open is committed along with the refund.
        "pooled_open_anon_refund": both,
        "pooled_open_role_anon_refund": both,
    }
    assert "13 of 27 single calls did otherwise than declared (authenticated_refund" in result.meaning


def test_a_right_that_is_missing_is_red_for_the_role_that_needs_it(run: Run, tmp_path: Path) -> None:
    sql = "REVOKE EXECUTE ON FUNCTION complete_job_atomic(text, uuid, text, jsonb) FROM service_role"
    result = run(planted(tmp_path, "roles", sql), "^[^p]")
    assert red(result) == {"service_role_complete": {"declared_answer", "ledger_unchanged"}}


def test_security_definer_dropped_is_red_where_row_security_tells_the_owner_from_the_caller(
    run: Run, tmp_path: Path
) -> None:
    sql = "ALTER FUNCTION refund_job_atomic(text, uuid, integer, text) SECURITY INVOKER"
    after = "migrations, variants/row_security.sql, variants/row_security_forced.sql"
    result = run(planted(tmp_path, "row_security_forced", sql, after=after))
    assert red(result) == {f"{role}_refund": {"declared_answer"} for role in ("service_role", "owner")}


def test_an_amount_that_nobody_checks_is_red(run: Run, tmp_path: Path) -> None:
    sql = broken(BALANCES, "p_amount IS NULL OR p_amount <= 0", "p_amount IS NULL")
    found = red(run(planted(tmp_path, "bad_input", sql), "^(refund_balance|deduct)_[^l]"))
    assert found["refund_balance_negative"] >= {"declared_answer", "ledger_unchanged"}
    assert found["deduct_negative"] >= {"declared_answer", "ledger_unchanged"}
    assert set(found) == {
        "refund_balance_zero", "refund_balance_negative", "deduct_zero", "deduct_negative",
    }  # fmt: skip


def test_an_overflow_that_nobody_checks_is_a_raw_error(run: Run, tmp_path: Path) -> None:
    sql = broken(BALANCES, "IF v_before::bigint + p_amount > 2147483647 THEN", "IF false THEN")
    result = run(planted(tmp_path, "bad_input", sql), "overflow|greatest|too_many|brim")
    raw = {"refund_job_overflow", "refund_balance_greatest", "refund_balance_one_too_many"}
    assert red(result) == {name: {"declared_answer"} for name in raw}
    answers = {c.case.name: c.answered for c in result.cases}
    assert all((answers[name] or {})["sqlstate"] == "22003" for name in raw)


def test_a_function_that_writes_before_it_refuses_answers_well_and_is_red(run: Run, tmp_path: Path) -> None:
    refusal = "    RETURN v_refusal || jsonb_build_object('error', 'Job belongs to another user');"
    # For the id of a user that the scenario does not know: every table is looked at as a whole.
    write = "    INSERT INTO public.user_balances VALUES ('00000000-0000-0000-0000-00000000dead', 1);\n"
    result = run(planted(tmp_path, "bad_input", broken(REFUND, refusal, write + refusal)), "^refund_job_[^l]")
    names = ("refund_job_of_somebody_else", "refund_job_unknown_user")
    assert red(result) == {name: {"ledger_unchanged"} for name in names}
    [first, _] = result.counterexamples
    assert first.violations[0].message.endswith("was to change nothing, and changed user_balances")


def test_a_red_case_is_saved_and_replayed_and_is_green_once_the_function_is_mended(
    run: Run, tmp_path: Path, target: EmbeddedTarget
) -> None:
    sql = "GRANT EXECUTE ON FUNCTION refund_job_atomic(text, uuid, integer, text) TO anon"
    result = run(planted(tmp_path, "roles", sql), "^pooled")
    case = next(c for c in result.cases if c.case.name == "pooled_open_anon_refund")
    saved = read_saved(Path(case.replay))
    assert (saved.case, Path(case.replay).name) == (case.case.name, f"roles-{case.case.name}.schedule")
    assert [str(d.choice) for d in saved.schedule.decisions] == [
        "anon.previous", "anon.previous_2", "anon.begin", "anon.role", "anon.claims", "anon.refund", "anon.commit",
    ]  # fmt: skip
    again = replay(saved, scenario_of(saved, Path(case.replay)), target, times=2)
    assert (again.reproduced, again.adapted) == (2, False)
    assert {v.check for v in again.violations} == set(case.checks)
    (tmp_path / "bug.sql").write_text("SELECT 1")
    mended = replay(saved, scenario_of(saved, Path(case.replay)), target, times=1)
    assert (mended.reproduced, mended.adapted, mended.violations) == (0, True, ())


KNOWN_BAD = """\
version: 1
name: known_bad
install: [migrations, variants/as_described.sql]
setup: [{charge: {user: alice, job: j1, opening: 5000, amount: 1000}}]
cases:
  - envelope: postgrest
    roles: {service_role: allowed, anon: denied}
    calls: [{refund: {job: j1, user: alice, amount: 1000}}]
expect: {violation: [declared_answer, ledger_unchanged]}
"""


def test_a_known_bad_system_is_the_pass_only_while_it_is_bad(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "known_bad.yaml"
    path.write_text(KNOWN_BAD)
    result = run(path)
    assert (result.verdict, result.observed) == (Verdict.PASS, Verdict.VIOLATION)
    assert "1 of 2 single calls did otherwise than declared (anon_refund), as documented" in result.meaning
    path.write_text(KNOWN_BAD.replace("[declared_answer, ledger_unchanged]", "declared_answer"))
    assert run(path).verdict is Verdict.VIOLATION  # more is broken than the file says
    path.write_text(KNOWN_BAD.replace(", variants/as_described.sql", ""))
    result = run(path)
    assert (result.verdict, result.observed) == (Verdict.VIOLATION, Verdict.PASS)


BESIDE = """\
version: 1
name: beside
setup: [{charge: {user: alice, job: j1, opening: 5000, amount: 1000}}]
workers:
  one: {role: service_role, transaction: [{refund: {job: j1, user: alice, amount: 1000}}]}
  two: {role: service_role, transaction: [{refund: {job: j1, user: alice, amount: 1000}}]}
orders: [[one.begin, one.refund, two.begin, two.refund: blocked, one.commit, two.commit]]
cases: [{role: anon, call: {refund: {job: j1, user: alice, amount: 1000}}, expect: denied}]
"""


def test_cases_beside_workers_are_judged_with_them(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "beside.yaml"
    path.write_text(BESIDE)
    result = run(path)
    assert (result.verdict, len(result.cases), result.schedules) == (Verdict.PASS, 1, 2)
    assert result.meaning.startswith("1 exact order executed")
    assert "1 single call answered as declared" in result.meaning
    assert result.strategy == "fixed, cases"
    path.write_text(BESIDE.replace("denied", "allowed"))
    result = run(path)
    assert (result.verdict, red(result)) == (Verdict.VIOLATION, {"anon_refund": {"declared_answer"}})
    # Workers that never meet show nothing, and a call that held does not change that.
    apart = "one.begin, one.refund, one.commit, two.begin, two.refund, two.commit"
    path.write_text(re.sub(r"orders: .*", f"orders: [[{apart}]]", BESIDE))
    assert run(path).verdict is Verdict.INCONCLUSIVE


OWN = """\
version: 1
name: own
install: [shop.sql]
cases:
  - {name: kept_setting, previous: ["SET search_path = nowhere"], call: SELECT pay(1), expect: {sqlstate: "42883"}}
  - {name: fresh_session, call: SELECT pay(1), expect: allowed, ledger: changed}
  - {name: same_set_up, call: SELECT count(*) AS n FROM paid, expect: {n: 0}}
  - name: commits
    previous: [BEGIN, SELECT pay(1)]
    call: SELECT pay(0 / 0)
    then: [COMMIT]
    expect: {sqlstate: "22012"}
  - {name: its_own_table, previous: [CREATE TABLE other ()], call: SELECT count(*) AS n FROM other, expect: {n: 0}}
"""


def test_other_peoples_functions_each_case_from_the_same_set_up_in_a_session_as_good_as_new(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "shop.sql").write_text(
        "CREATE TABLE paid (n integer);\n"
        "CREATE FUNCTION pay(n integer) RETURNS void LANGUAGE sql AS 'INSERT INTO public.paid VALUES (n)';"
    )
    path = tmp_path / "own.yaml"
    path.write_text(OWN)
    result = run(path)
    assert (result.verdict, red(result)) == (Verdict.PASS, {})
    assert [c.changed for c in result.cases] == [False, True, False, False, False]


def test_of_many_red_cases_all_are_saved_and_the_first_are_shown_in_full(run: Run, tmp_path: Path) -> None:
    sql = "GRANT EXECUTE ON FUNCTION deduct_balance_atomic(uuid, integer, text, jsonb) TO anon"
    result = run(planted(tmp_path, "roles", sql), "^(service_role|anon|session|table|ledger)_")
    assert len(red(result)) == len(result.cases) > 11
    assert len(result.counterexamples) <= 11
    assert all(Path(c.replay).is_file() for c in result.cases)


def test_from_the_command_line_red_cases_are_listed_and_replayed(tmp_path: Path) -> None:
    path = tmp_path / "known_bad.yaml"
    path.write_text(KNOWN_BAD.split("expect: {violation")[0])
    done = harness("run", str(path), "--out", str(tmp_path / "out"), "--require", "exhausted")
    assert done.returncode == 1
    assert "cases of known_bad: 1 of 2 single calls" in done.stdout
    assert "✗ declared_answer, ledger_unchanged; anon_refund: anon was answered" in done.stdout
    [scenario] = json.loads((tmp_path / "out" / "latest" / "results.json").read_text())["scenarios"]
    case = next(c for c in scenario["cases"] if c["name"] == "anon_refund")
    assert not case["held"]
    assert case["declared"] == {"sqlstate": "42501"}
    assert case["answered"]["success"] is True
    assert case["ledger"] == {"declared": "unchanged", "changed": True}
    page = (tmp_path / "out" / "latest" / "index.html").read_text()
    assert "Single calls" in page
    assert "✗ anon_refund" in page
    again = harness("replay", case["replay"])
    assert again.returncode == 1
    assert "reproduced 1 of 1" in again.stdout
    refused = harness("replay", case["replay"], "--as-scenario", str(tmp_path / "kept.yaml"))
    assert (refused.returncode, "the case anon_refund of" in refused.stderr) == (2, True)


def test_a_deadline_leaves_inconclusive_what_was_not_reached(run: Run) -> None:
    result = run(SCENARIOS / "roles.yaml", options=Options(deadline=0))
    assert (result.verdict, result.exhausted, result.cases) == (Verdict.INCONCLUSIVE, False, ())
    assert result.meaning.endswith("The time was up: 64 are declared.")


def test_python_tests_run_cases_as_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "known_bad.yaml"
    monkeypatch.chdir(tmp_path)
    path.write_text(KNOWN_BAD.split("expect: {violation")[0])
    with pytest.raises(AssertionError, match=r"harness replay .*known_bad-anon_refund.schedule"):
        assert_no_violation(path)
