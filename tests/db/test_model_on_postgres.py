"""The plain Python ledger against the real functions, and the check that stands on it against right and broken ones."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import harness
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.campaign import Options, Silent, run_campaign
from harness.checks.model import ledger_model
from harness.checks.refund_model import INT4_MAX, INT4_MIN, Entry, Job, Ledger, perform
from harness.driver.pool import WorkerPool
from harness.model import CheckResult, EventKind, Execution, Scenario, ScenarioResult, Verdict, Worker
from harness.resources import shipped
from harness.scenario import load_scenario
from harness.stage import Stage, Stages
from harness.strategies.serial import Serial
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

EXAMPLES = 400
Spec = dict[str, Any]
MIGRATIONS = sorted((shipped("sql") / "migrations").glob("*.sql"))

CHARGED_J1 = {"charge": {"job": "j1", "user": "alice", "amount": 1000, "opening": 5000}}
# bob's account is as full as can be and j2 was charged to him before; j3 is carol's, who has no account any more.
SET_UP = [
    CHARGED_J1,
    {"user": {"name": "bob", "balance": INT4_MAX}},
    {"job": {"job": "j2", "user": "bob", "status": "pending"}},
    {"job": {"job": "j3", "user": "carol"}},
    "INSERT INTO balance_transactions (user_id, type, amount, balance_before, balance_after, metadata) VALUES "
    "(:'bob', 'generation', -300, 0, 0, jsonb_build_object('job_id', :'j2'::text)), "
    "(:'carol', 'generation', -300, 300, 0, jsonb_build_object('job_id', :'j3'::text))",
]
REFUSALS = {
    "Amount must be positive", "Job not found", "Job belongs to another user", "Job already failed and refunded",
    "Job already failed", "Job already completed", "Amount differs from the charge", "User not found",
    "Balance would overflow", "Insufficient balance", "Story id is required",
}  # fmt: skip
"""Every refusal of sql/README.md that a call with its ids can get."""

amounts = st.sampled_from([1000, 300, 5000, 1, 0, -5, INT4_MAX, INT4_MAX + 1, INT4_MIN, INT4_MIN - 1])
right = st.sampled_from([("j1", "alice", 1000), ("j1", "alice", 1000), ("j2", "bob", 300), ("j3", "carol", 300)])
wrong = st.tuples(st.sampled_from(["j1", "j2", "j3", "j4"]), st.sampled_from(["alice", "bob", "carol"]), amounts)
words = st.sampled_from(["story-1", "it's over", "", ":'j1'"])
roles = st.sampled_from(["service_role"] * 12 + [None, "anon", "authenticated", "public"])


@st.composite
def calls(draw: st.DrawFn) -> Spec:
    """A call, half of them with all that belongs together."""
    job, user, amount = draw(st.one_of(right, wrong))
    kind = draw(st.sampled_from(["refund", "charge", "complete"]))
    more = {
        "refund": {"amount": amount, "error": draw(words)},
        "charge": {"amount": amount},
        "complete": {"story": draw(words)},
    }
    return {kind: {"job": job, "user": user, **more[kind]}}


sequences = st.lists(st.tuples(calls(), roles), min_size=1, max_size=8)


def written(path: Path, **spec: Any) -> Scenario:
    """The scenario of ``spec``, loaded from a file that says it."""
    whole = {"version": 1, "name": path.stem, "model": "refunds", "setup": [CHARGED_J1], **spec}
    path.write_text(json.dumps(whole), encoding="utf-8")
    return load_scenario(path)


def one_each(path: Path, sequence: list[tuple[Spec, str | None]]) -> Scenario:
    """One worker a call."""
    workers = {f"w{i}": {"role": role, "statements": [call]} for i, (call, role) in enumerate(sequence)}
    return written(path, setup=SET_UP, workers=workers, users=["alice", "bob", "carol"], jobs=["j1", "j2", "j3", "j4"])


def told(execution: Execution, worker: Worker) -> Any:
    """What the only statement of ``worker`` was answered."""
    mine = [e for e in execution.history.events if (e.worker, e.step) == (worker.name, worker.statements[0].name)]
    [event] = [e for e in mine if e.kind in (EventKind.OK, EventKind.FAIL)]
    if event.kind is EventKind.FAIL:
        return {"sqlstate": event.sqlstate}
    assert event.answer is not None
    return event.answer[0]["answer"]


@pytest.mark.parametrize("inside", [False, True], ids=["as it is", "with gates"])
def test_the_model_answers_and_leaves_what_the_functions_do(
    tmp_path: Path, target: EmbeddedTarget, databases: Databases, pool: WorkerPool, inside: bool
) -> None:
    first = one_each(tmp_path / "first.yaml", [({"complete": {"job": "j4", "user": "alice"}}, "public")])
    stage = Stage(first, target, databases, pool, inside=inside, everywhere=inside)
    numbers = itertools.count()
    seen: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES if not inside else 60, derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(sequences)
    def agree(sequence: list[tuple[Spec, str | None]]) -> None:
        scenario = one_each(tmp_path / "drawn.yaml", sequence)
        stage.play(scenario)
        strategy = Serial([w.name for w in scenario.workers])
        assert strategy.start()
        execution = stage.execute(strategy, next(numbers), seed=0)
        ledger = Ledger.read(execution.history.opening)
        for worker, (spec, role) in zip(scenario.workers, sequence, strict=True):
            call = worker.statements[0].call
            assert call is not None
            [said] = spec.values()
            expected = perform(ledger, call, role=role, words=said.get("error", said.get("story")))
            answer = told(execution, worker)
            assert (answer, {k: type(v) for k, v in answer.items()}) == (
                expected, {k: type(v) for k, v in expected.items()},
            )  # fmt: skip
            seen[answer.get("error", answer.get("sqlstate", f"{call.kind} done"))] += 1
        assert ledger == Ledger.read(execution.history.closing)
        [result] = ledger_model(stage.context(execution, None))
        assert (result.verdict, result.examined, result.notes) == (Verdict.PASS, len(sequence), ())

    try:
        agree()
    finally:
        stage.close()
    if not inside:
        done = {"charge done", "refund done", "complete done"}
        assert set(seen) == REFUSALS | done | {"42501", "42883"}, seen


def test_null_arguments_and_an_empty_story_are_refused_alike(new_database: Callable[..., Any]) -> None:
    connection = new_database(*MIGRATIONS)
    alice = "00000001-0000-0000-0000-000000000000"
    connection.execute("INSERT INTO user_balances VALUES (%s, 5000)", [alice])
    connection.execute("INSERT INTO story_jobs (job_id, user_id) VALUES ('j1', %s)", [alice])
    functions = {
        "refund": "SELECT refund_job_atomic(%s::text, %s::uuid, %s::integer, NULL)",
        "complete": "SELECT complete_job_atomic(%s::text, %s::uuid, %s::text, NULL)",
        "charge": "SELECT deduct_balance_atomic(%s::uuid, %s::integer, NULL, '{}')",
    }
    choices = {
        "refund": itertools.product(("j1", None), (alice, None), (1000, None)),
        "complete": itertools.product(("j1", None), (alice, None), ("story-1", None, "")),
        "charge": itertools.product((alice, None), (1000, None)),
    }
    errors = set()
    for kind, given_ in choices.items():
        for arguments in given_:
            if all(arguments):
                continue
            ledger = Ledger({alice: 5000}, {"j1": Job(alice)})
            [(answer,)] = connection.execute(functions[kind], arguments).fetchall()
            if kind == "charge":
                expected = ledger.charge(arguments[0], "j1", arguments[1])
            else:
                expected = getattr(ledger, kind)(*arguments)
            assert answer == expected
            assert ledger == Ledger({alice: 5000}, {"j1": Job(alice)})
            errors.add(answer["error"])
    required = {"Job id is required", "User id is required", "Story id is required"}
    assert errors == required | {"Amount must be positive"}


def test_the_opening_is_what_the_set_up_left(
    tmp_path: Path, target: EmbeddedTarget, databases: Databases, pool: WorkerPool
) -> None:
    scenario = one_each(tmp_path / "opening.yaml", [({"complete": {"job": "j1", "user": "alice"}}, None)])
    stage = Stage(scenario, target, databases, pool)
    try:
        strategy = Serial(["w0"])
        assert strategy.start()
        execution = stage.execute(strategy, 0, seed=0)
    finally:
        stage.close()
    assert Ledger.read(execution.history.opening) == Ledger(
        {"alice": 4000, "bob": INT4_MAX},
        {"j1": Job("alice"), "j2": Job("bob", "pending"), "j3": Job("carol")},
        {
            "alice": [Entry("initial", 5000, 0, 5000), Entry("generation", -1000, 5000, 4000, "j1")],
            "bob": [Entry("initial", INT4_MAX, 0, INT4_MAX), Entry("generation", -300, 0, 0, "j2")],
            "carol": [Entry("generation", -300, 300, 0, "j3")],
        },
    )
    assert Ledger.read(execution.history.closing).jobs["j1"] == Job("alice", "completed", "story-1")


# ------------------------------------------------------------------------------------------------ under a strategy

Campaign = Callable[..., ScenarioResult]


@pytest.fixture
def campaign(tmp_path: Path, target: EmbeddedTarget, databases: Databases, pool: WorkerPool) -> Campaign:
    """``campaign(**spec)``: the result of the scenario that says so."""

    def run(**spec: Any) -> ScenarioResult:
        loaded = written(tmp_path / "sample.yaml", **spec)
        stages = Stages(loaded, target, databases, pool)
        try:
            return run_campaign(loaded, stages, Options(folder=tmp_path), Silent(), target.server_version)
        finally:
            stages.close()

    return run


def of_model(result: ScenarioResult) -> CheckResult:
    [found] = [c for c in result.checks if c.check == "ledger_model"]
    return found


def refund(job: str = "j1", user: str = "alice", amount: int = 1000) -> Spec:
    return {"refund": {"job": job, "user": user, "amount": amount}}


def charge(job: str = "j9", user: str = "alice", amount: int = 300) -> Spec:
    return {"charge": {"job": job, "user": user, "amount": amount}}


def complete(job: str = "j1", user: str = "alice", story: str = "story-1") -> Spec:
    return {"complete": {"job": job, "user": user, "story": story}}


def service(*statements: Spec | str, key: str = "statements", **more: str) -> Spec:
    return {"role": "service_role", key: list(statements), **more}


SHIPPED: dict[str, dict[str, Spec]] = {
    "two refunds of one job": {"a": service(refund()), "b": service(refund())},
    "a refund and a charge": {"a": service(refund()), "b": service(charge())},
    "a refund and a completion": {"a": service(refund()), "b": service(complete())},
    "two completions": {"a": service(complete()), "b": service(complete(story="story-2"))},
    "two charges, for one of which there is money": {
        "a": service(charge(amount=3000)), "b": service(charge(amount=2000))},
    "a right and a wrong amount": {"a": service(refund()), "b": service(refund(amount=999))},
    "somebody who may not": {
        "a": service(refund()), "b": service(refund()), "c": {"role": "anon", "statements": [refund()]}},
    "transactions of two calls": {
        "a": service(charge(), refund(), key="transaction"), "b": service(charge(), key="transaction")},
    "repeatable read": {
        "a": service(refund(), key="transaction", isolation="repeatable read"),
        "b": service(refund(), key="transaction", isolation="repeatable read")},
    "serializable": {
        "a": service(refund(), key="transaction", isolation="serializable"),
        "b": service(charge("j1"), key="transaction", isolation="serializable")},
    "a transaction rolled back": {
        "a": service("BEGIN", refund(), "ROLLBACK"), "b": service(refund())},
}  # fmt: skip


@pytest.mark.parametrize("workers", SHIPPED.values(), ids=SHIPPED.keys())
def test_the_shipped_functions_pass(campaign: Campaign, workers: dict[str, Spec]) -> None:
    result = campaign(workers=workers, invariants=["no_negative_balance"])
    found = of_model(result)
    assert result.verdict is Verdict.PASS, (
        result.meaning,
        [(v.check, v.message) for c in result.checks for v in c.violations],
    )
    assert result.exhausted
    assert (found.verdict, found.notes) == (Verdict.PASS, ())
    assert found.examined >= 2 * result.schedules


def test_a_refund_that_read_the_charges_before_another_charge_of_its_job_is_no_order(campaign: Campaign) -> None:
    """The refund locks its job, and a charge does not: at READ COMMITTED the sum of the charges may be older than the
    balance. Serial equivalence says so too."""
    for asked, check in (("refunds", "ledger_model"), (None, "serial_equivalence")):
        workers = {"a": service(refund()), "b": service(charge("j1"))}
        result = campaign(model=asked, workers=workers, invariants=["no_negative_balance"])
        found = {v.check: v.message for c in result.counterexamples for v in c.violations}
        assert check in found
        if asked:
            assert "the ledger ends with alice's row 4: refund +1000 (3700 → 4700) for j1" in found[check]


def test_an_old_snapshot_may_refuse_what_is_true_by_now(campaign: Campaign) -> None:
    """The transaction began, looked and got its snapshot before the charge that makes the amount right."""
    late = service("SELECT balance FROM user_balances", refund(amount=1300), key="transaction")
    order = ["a.begin", "a.select", "b.charge", "a.refund", "a.commit"]
    for isolation, refused in (("repeatable read", True), ("read committed", False)):
        result = campaign(
            workers={"a": {**late, "isolation": isolation}, "b": service(charge("j1"))},
            orders=[{"order": order, "expect": {"a": [{}, {"success": not refused}]}}],
            invariants=["one_refund_per_job"],
        )
        found = of_model(result)
        assert (found.verdict, found.examined, found.notes) == (Verdict.PASS, 2, ()), found


BROKEN: dict[str, tuple[str, dict[str, Spec], str]] = {
    "unlocked": (
        "variants/unlocked.sql", {"a": service(refund()), "b": service(refund())},
        "the ledger ends with alice 6000; the model ends with 5000 in every order"),
    "as described": (
        "variants/as_described.sql", {"a": service(refund()), "b": service(complete())},
        "the ledger ends with alice 5000; the model ends with 4000 in every order"),
}  # fmt: skip


@pytest.mark.parametrize(("variant", "workers", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_variant_is_found_and_replayed(
    campaign: Campaign, variant: str, workers: dict[str, Spec], message: str
) -> None:
    result = campaign(install=["migrations", variant], workers=workers, invariants=["no_negative_balance"])
    assert result.verdict is Verdict.VIOLATION
    [counterexample] = result.counterexamples
    [found] = [v for v in counterexample.violations if v.check == "ledger_model"]
    assert message in found.message
    assert len(found.witness) == 2
    assert Path(counterexample.replay).is_file()


def test_the_model_is_not_asked_where_it_cannot_know(campaign: Campaign) -> None:
    result = campaign(workers={"a": service(refund()), "b": service("UPDATE user_balances SET balance = balance + 1")},
                      invariants=["no_negative_balance"])  # fmt: skip
    found = of_model(result)
    assert (found.verdict, found.examined) == (Verdict.INCONCLUSIVE, 0)
    assert found.notes[0].message == "not judged by the model: b.update may change what the model does not see"
    assert result.verdict is Verdict.PASS


def test_a_killed_client_leaves_two_worlds(campaign: Campaign) -> None:
    looks = service("SELECT balance FROM user_balances", refund(), key="transaction")
    workers = {"a": service(refund(), key="transaction"), "b": looks}
    for death in ({"a.commit": "killed"}, "a.kill"):
        order = ["a.begin", "b.begin", "b.select", "a.refund", death, "b.refund", "b.commit"]
        result = campaign(workers=workers, orders=[order])
        found = of_model(result)
        assert (result.verdict, found.verdict, found.examined) == (Verdict.PASS, Verdict.PASS, 2)


# ---------------------------------------------------------------------------------------------- the command line


def test_a_scenario_names_its_model(tmp_path: Path) -> None:
    workers = {"a": service(refund()), "b": service(refund())}
    spec = {"version": 1, "name": "found", "model": "refunds", "setup": [CHARGED_J1], "workers": workers}
    path = tmp_path / "found.yaml"
    path.write_text(json.dumps({**spec, "install": ["migrations", "variants/unlocked.sql"], "invariants": []}))
    done = harness("run", str(path), "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (1, "")
    assert "ledger_model" in done.stdout
    path.write_text(json.dumps({**spec, "expect": {"violation": "ledger_model"},
                                "install": ["migrations", "variants/unlocked.sql"]}))  # fmt: skip
    assert harness("run", str(path), "--out", str(tmp_path / "out")).returncode == 0
    path.write_text(json.dumps(spec))
    assert harness("run", str(path), "--out", str(tmp_path / "out")).returncode == 0


def test_an_unknown_model_is_bad_usage(tmp_path: Path) -> None:
    path = tmp_path / "unknown.yaml"
    path.write_text("version: 1\nname: unknown\nmodel: refund\nworkers:\n  a: {statements: [SELECT 1]}\n")
    done = harness("run", str(path), "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert f"{path}:3:1: 'model' must be 'refunds', found 'refund'" in done.stderr
