"""What a queue gives out and what workers do about errors, carried out: on a real server with real processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from plans import kinds, order, plan, rows, worker

from harness.campaign import Options
from harness.checks.operations import Effect, operations
from harness.driver.controller import Controller
from harness.driver.pool import WorkerPool
from harness.driver.threads import release_threads
from harness.model import Execution, Scenario, ScenarioResult, Script, Search, Verdict, Worker
from harness.run import SilentReporter, run_scenarios
from harness.scenario import load_scenario
from harness.stage import Stage
from harness.statements import make_statement
from harness.strategies.exhaustive import Exhaustive
from harness.strategies.fixed import Fixed
from harness.strategies.random_walk import RandomWalk
from harness.strategies.replay import Replay
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

SCENARIOS = Path(__file__).parents[2] / "scenarios"


# ----------------------------------------------------------------------------------------------- shipped scenarios


def result(target: EmbeddedTarget, tmp_path: Path, name: str, *edits: tuple[str, str]) -> ScenarioResult:
    """The result of the shipped scenario with these edits of its text, each of which must bite once."""
    text = (SCENARIOS / f"{name}.yaml").read_text(encoding="utf-8")
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    run = run_scenarios([load_scenario(path)], target, Options(folder=tmp_path), SilentReporter(), jobs=1)
    return run.scenarios[0]


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("fallback_loses_refund", "failed_means_refunded"),
        ("ignored_rpc_error", "queue_drained"),
        ("stalled_by_model", "one_refund_per_job"),
    ],
)
def test_it_is_found_though_nobody_named_an_order(
    target: EmbeddedTarget, tmp_path: Path, name: str, check: str
) -> None:
    found = result(target, tmp_path, name)
    assert (found.verdict, found.observed, found.serially) == (Verdict.PASS, Verdict.VIOLATION, False)
    [example] = found.counterexamples
    assert check in {v.check for v in example.violations}
    assert example.without == ()  # each statement is there for its worker to do right when it is alone


FALLBACK = ("on_error: mark_failed", "on_error: retry_transient")
EXPECTED = "expect:\n  violation: one_refund_per_job\n"
TWICE = ("on_error: mark_failed", "on_error: retry\n    attempts: 2")
IGNORED = ("on_error: ignore", "on_error: retry_transient")


@pytest.mark.own_server("only there a search can be exhausted")
@pytest.mark.parametrize(
    ("name", "check", "edit"),
    [
        ("fallback_loses_refund", "failed_means_refunded", FALLBACK),
        (
            "fallback_loses_refund",
            "failed_means_refunded",
            ("on_error: mark_failed", "on_error: retry\n    attempts: 2"),
        ),
        ("ignored_rpc_error", "queue_drained", IGNORED),
    ],
)
def test_asking_again_is_right_in_every_order(
    target: EmbeddedTarget, tmp_path: Path, name: str, check: str, edit: tuple[str, str]
) -> None:
    found = result(target, tmp_path, name, edit, (f"expect:\n  violation: {check}\n", ""))
    assert (found.verdict, found.observed, found.exhausted) == (Verdict.PASS, Verdict.PASS, True)


@pytest.mark.own_server("only there a search can be exhausted")
def test_without_a_next_attempt_nothing_marks_the_job(target: EmbeddedTarget, tmp_path: Path) -> None:
    edits = [("on_error: mark_failed", "on_error: stop"), ("expect:\n  violation: failed_means_refunded\n", "")]
    found = result(target, tmp_path, "fallback_loses_refund", *edits)
    assert (found.observed, found.exhausted) == (Verdict.PASS, True)


@pytest.mark.own_server("only there a search can be exhausted")
def test_a_stalled_delivery_of_the_atomic_function_is_right_in_every_order(
    target: EmbeddedTarget, tmp_path: Path
) -> None:
    text = (SCENARIOS / "stalled_by_model.yaml").read_text(encoding="utf-8")
    path = tmp_path / "atomic.yaml"
    new = text.replace("      - legacy_refund:", "      - refund:").replace(
        "expect:\n  violation: one_refund_per_job\n", ""
    )
    path.write_text(new, encoding="utf-8")
    [found] = run_scenarios([load_scenario(path)], target, Options(), SilentReporter(), jobs=1).scenarios
    assert (found.verdict, found.exhausted) == (Verdict.PASS, True)


@pytest.mark.own_server("only there a search can be exhausted")
def test_a_retry_after_a_failure_overlaps_with_nothing_and_pays_once(target: EmbeddedTarget, tmp_path: Path) -> None:
    """The old worker is right as long as the queue gives its job out again only when it has come back."""
    edits = [
        ("stalls: [original]", "fails: [original]\n  attempts: 2"),
        ("expect:\n  violation: one_refund_per_job\n", ""),
    ]
    found = result(target, tmp_path, "stalled_by_model", *edits)
    assert (found.observed, found.exhausted, found.counterexamples) == (Verdict.INCONCLUSIVE, True, ())
    assert found.checks  # both were carried out and judged, though nothing ever overlapped
    assert next(c.examined for c in found.checks if c.check == "one_refund_per_job") == found.schedules


J2 = "\n      - refund: {job: j2"
ORDER = """orders:
  - order: [other.begin, other.refund, fallback.begin, fallback.refund: blocked, other.commit, fallback.mark_failed]
"""


def test_an_exact_order_goes_on_with_the_fallback(target: EmbeddedTarget, tmp_path: Path) -> None:
    found = result(
        target, tmp_path, "fallback_loses_refund",
        ("orders: [auto]\n", ORDER), (f"statements:{J2}", f"transaction:{J2}"),
    )  # fmt: skip
    assert (found.verdict, found.observed) == (Verdict.PASS, Verdict.VIOLATION)
    [example] = found.counterexamples
    assert {v.check for v in example.violations} == {"failed_means_refunded", "money_conserved"}
    steps = [str(d.choice) for d in example.execution.schedule.decisions]
    assert steps[-2:] == ["other.commit", "fallback.mark_failed"]


# ------------------------------------------------------------------------------------------------------- attempts

RR = "BEGIN ISOLATION LEVEL REPEATABLE READ"
APPEND = "UPDATE t SET v = v || '{}' WHERE id = {}"


def retrier(name: str, attempts: int, *statements: str, recovers_from: tuple[str, ...] = ("",)) -> Worker:
    made = worker(name, *(statements * attempts), recovers_from=recovers_from)
    numbered = [replace(s, attempt=i // len(statements) + 1) for i, s in enumerate(made.statements)]
    return replace(made, statements=tuple(numbered))


def execute(controller: Controller, steps: str, *workers: Worker) -> Execution:
    return controller.execute(plan(*workers), Fixed(order(steps)))


@pytest.mark.parametrize(
    ("recovers_from", "left"), [(("",), "ba"), (("40001", "40P01"), "ba"), (("40P01",), "b"), (("22",), "b")]
)
def test_a_failed_transaction_is_tried_again(controller: Controller, recovers_from: tuple[str, ...], left: str) -> None:
    mine = retrier("a", 2, RR, "SELECT FROM t", APPEND.format("a", 1), "COMMIT", recovers_from=recovers_from)
    done = execute(controller, "a.s0 a.s1 b.s0 a.s2", mine, worker("b", APPEND.format("b", 1)))
    assert rows(done, "t")[0] == (1, left)
    failed = [op for op in operations([mine], done.history) if op.sqlstate == "40001"]
    assert [op.statement.name for op in failed] == ["s2"]
    assert kinds(done, "a").count("end") == (left == "b")
    effects = {op.statement.attempt: op.effect for op in operations([mine], done.history)}
    assert effects == ({1: Effect.NONE, 2: Effect.COMMITTED} if left == "ba" else {1: Effect.NONE})


def test_what_failed_leaves_nothing_behind_for_the_next_attempt(controller: Controller) -> None:
    mine = retrier("a", 3, RR, APPEND.format("x", 2), "SELECT 1 / (count(*) - 1) FROM u", "COMMIT")
    done = execute(controller, "", mine, worker("b", "INSERT INTO u VALUES (1, 'b')"))
    # Alone it would go well (1 / -1); after b's row it fails in every attempt.
    assert rows(done, "t")[1] == (2, "x")
    done = execute(controller, "b.s0", mine, worker("b", "INSERT INTO u VALUES (1, 'b')"))
    assert rows(done, "t")[1] == (2, "")
    assert kinds(done, "a").count("fail") == 3
    assert not done.history.liveness.idle_in_transaction


def test_whoever_has_an_attempt_left_goes_on_when_released_without_control(
    controller: Controller, target: EmbeddedTarget
) -> None:
    always = retrier("a", 3, "SELECT 1 / 0")
    late = worker("b", APPEND.format("b", 1), after=("a",))
    conninfo = target.conninfo(controller.observer.connection.info.dbname)
    for done in (
        controller.release(plan(always, late)),
        release_threads(plan(always, late), controller.observer, conninfo),
    ):
        assert kinds(done, "a").count("fail") == 3
        assert rows(done, "t")[0] == (1, "b")
        first = next(i for i, e in enumerate(done.history.events) if e.worker == "b")
        assert "a" not in {e.worker for e in done.history.events[first:] if e.step}


# ------------------------------------------------------------------------------------------------------ precedence


def test_who_comes_after_another_is_offered_once_that_has_ended(controller: Controller) -> None:
    first, second = (
        worker("a", "BEGIN", APPEND.format("a", 1), "COMMIT"),
        worker("b", APPEND.format("b", 1), after=("a",)),
    )
    for seed in range(5):
        strategy = RandomWalk(seed)
        strategy.start()
        done = controller.execute(plan(second, first, worker("c", APPEND.format("c", 2))), strategy)
        for decision in done.schedule.decisions:
            left = {c.worker for c in decision.enabled}
            assert not {"a", "b"} <= left
        assert rows(done, "t")[0] == (1, "ab")
        again = controller.execute(plan(second, first, worker("c", APPEND.format("c", 2))), started(done))
        assert [d.choice for d in again.schedule.decisions] == [d.choice for d in done.schedule.decisions]


def started(done: Execution) -> Replay:
    replay = Replay(done.schedule, exact=True)
    replay.start()
    return replay


def test_death_is_an_end_too_and_so_is_an_error(controller: Controller) -> None:
    second = worker("b", APPEND.format("b", 1), after=("a", "nobody"))
    done = execute(controller, "a.s0 a.s1 a.kill b.s0", worker("a", "BEGIN", APPEND.format("a", 1), "COMMIT"), second)
    assert rows(done, "t")[0] == (1, "b")
    done = execute(controller, "", worker("a", "SELECT 1 / 0", APPEND.format("a", 1)), second)
    assert rows(done, "t")[0] == (1, "b")


ADD = "UPDATE t SET v = v || '{}' WHERE id = {}"
LOOK = "INSERT INTO said SELECT '{}', string_agg(v, '/' ORDER BY id) FROM t"
SMALL = """
CREATE TABLE t (id int PRIMARY KEY, v text NOT NULL);
CREATE TABLE said (who text, what text);
INSERT INTO t VALUES (1, ''), (2, '');
"""


def small(workers: Chain) -> Scenario:
    return Scenario(
        name="small", about="", file="", text_hash="", install=(Script(name="small.sql", text=SMALL),), setup=(),
        workers=tuple(Worker(name=n, statements=(make_statement(sql),), after=after) for n, sql, after in workers),
        interleavings=(Search(strategy="exhaustive"),), expect={}, expect_violation=(), invariants=(), state=(),
        users=(), jobs=(), fresh_database=False, restore=True,
    )  # fmt: skip


Chain = tuple[tuple[str, str, tuple[str, ...]], ...]
CHAINS: list[tuple[Chain, int]] = [
    ((("a", ADD.format("a", 1), ()), ("b", ADD.format("b", 2), ("a",)), ("c", LOOK.format("c"), ())), 3),
    ((("a", LOOK.format("a"), ()), ("b", ADD.format("b", 1), ("a",)), ("c", ADD.format("c", 1), ())), 3),
]


def compared(target: EmbeddedTarget, databases: Databases, scenario: Scenario) -> tuple[set[str], int, int]:
    """What can come of it, and how many executions that took with and without reduction: without, every turn depends on
    every other, and every order is executed."""
    with WorkerPool() as pool:
        stage = Stage(scenario, target, databases, pool, inside=True)
        try:
            reduced, whole = Exhaustive(), Exhaustive(dependent=lambda _a, _b: True)
            found = [outcomes_of(stage, search) for search in (reduced, whole)]
        finally:
            stage.close()
    assert (reduced.exhausted, whole.exhausted) == (True, True)
    assert found[0] == found[1]
    return found[0], reduced.explored, whole.explored


@pytest.mark.parametrize(("workers", "outcomes"), CHAINS)
def test_the_reduced_search_misses_no_outcome_among_the_orders_that_there_are(
    target: EmbeddedTarget, databases: Databases, workers: Chain, outcomes: int
) -> None:
    found, reduced, whole = compared(target, databases, small(workers))
    assert len(found) == outcomes
    assert reduced < whole


def test_the_reduced_search_misses_no_outcome_of_attempts(target: EmbeddedTarget, databases: Databases) -> None:
    mine = [make_statement(sql) for sql in (RR, LOOK.format("a"), ADD.format("a", 1), "COMMIT")]
    twice = [replace(s, name=f"s{i}_{n}", attempt=n) for n in (1, 2) for i, s in enumerate(mine)]
    workers = (
        Worker(name="a", statements=tuple(twice), recovers_from=("40001",)),
        Worker(name="b", statements=(make_statement(ADD.format("b", 1)),)),
    )
    found, reduced, whole = compared(target, databases, replace(small(()), workers=workers))
    # a looks before b has come and adds first; or after b, at once or in its second attempt.
    assert sorted("'v': 'ab'" in outcome for outcome in found) == [False, True]
    assert reduced < whole


def outcomes_of(stage: Stage, search: Exhaustive) -> set[str]:
    found = set()
    n = 0
    while search.start():
        n += 1
        done = stage.execute(search, n, seed=0)
        begun = [d.choice.worker for d in done.schedule.decisions]
        if any(w.after for w in stage.scenario.workers):
            assert max(i for i, w in enumerate(begun) if w == "a") < begun.index("b")
        found.add(str(sorted((t, sorted(map(str, r))) for t, r in done.history.closing.items())))
    return found


def test_those_that_cannot_overlap_have_one_order(target: EmbeddedTarget, databases: Databases) -> None:
    chain = ("a", ADD.format("a", 1), ()), ("b", ADD.format("b", 1), ("a",)), ("c", LOOK.format("c"), ("a", "b"))
    with WorkerPool() as pool:
        stage = Stage(small(chain), target, databases, pool, inside=True)
        try:
            search = Exhaustive()
            outcomes_of(stage, search)
        finally:
            stage.close()
    assert (search.exhausted, search.explored) == (True, 1)
