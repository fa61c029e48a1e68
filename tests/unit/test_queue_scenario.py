"""The keys `queue`, `on_error` and `attempts` of a scenario file, and what a worker's attempts mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.checks.operations import Effect, operations
from harness.checks.protocol import Context
from harness.checks.serial import serial_equivalence
from harness.driver.attempts import is_last_of_attempt, next_attempt
from harness.errors import ScenarioError
from harness.model import (
    Choice,
    Event,
    EventKind,
    Execution,
    Follow,
    History,
    Order,
    Scenario,
    Schedule,
    Statement,
    StatementKind,
    Worker,
)
from harness.scenario import load_scenario
from harness.scenario.reduced import Reduced, Unwritable

REFUND = {"refund": {"job": "j1", "user": "alice", "amount": 1000}}


def load(tmp_path: Path, **keys: Any) -> Scenario:
    path = tmp_path / "small.yaml"
    path.write_text(json.dumps({"version": 1, "name": "small", **keys}), encoding="utf-8")
    return load_scenario(path)


def worker(tmp_path: Path, **keys: Any) -> Worker:
    [made] = load(tmp_path, workers={"w": keys}).workers
    return made


def queued(tmp_path: Path, workers: int, **queue: Any) -> tuple[Worker, ...]:
    made = {f"w{i}": {"statements": [REFUND]} for i in range(1, workers + 1)}
    return load(tmp_path, workers=made, queue={"job": "j1", **queue}).workers


def after(found: tuple[Worker, ...]) -> dict[str, tuple[str, ...]]:
    return {w.name: w.after for w in found}


# ---------------------------------------------------------------------------------------------------- on_error


def test_the_default_is_to_stop(tmp_path: Path) -> None:
    for keys in ({}, {"on_error": "stop"}):
        made = worker(tmp_path, statements=[REFUND, "SELECT 1"], **keys)
        assert [(s.name, s.attempt) for s in made.statements] == [("refund", 1), ("select", 1)]
        assert next_attempt(made, 0, "40001") is None
        assert not made.keep_going


def test_a_retry_is_the_same_again(tmp_path: Path) -> None:
    made = worker(tmp_path, transaction=[REFUND], on_error="retry", attempts=2)
    assert [(s.name, s.attempt) for s in made.statements] == [
        ("begin", 1), ("refund", 1), ("commit", 1), ("begin_2", 2), ("refund_2", 2), ("commit_2", 2),
    ]  # fmt: skip
    assert [s.sql for s in made.statements[:3]] == [s.sql for s in made.statements[3:]]
    assert [next_attempt(made, i, "22000") for i in range(6)] == [3, 3, 3, None, None, None]
    assert [is_last_of_attempt(made, i) for i in range(6)] == [False, False, True, False, False, True]
    assert {s.attempt for s in worker(tmp_path, statements=[REFUND], on_error="retry").statements} == {1, 2, 3}


@pytest.mark.parametrize(
    ("sqlstate", "again"), [("40001", 1), ("40P01", 1), ("40002", None), ("55P03", None), (None, None)]
)
def test_only_what_is_transient_is_retried(tmp_path: Path, sqlstate: str | None, again: int | None) -> None:
    made = worker(tmp_path, statements=[REFUND], on_error="retry_transient")
    assert next_attempt(made, 0, sqlstate) == again


def test_the_fallback_marks_the_job_of_its_refund(tmp_path: Path) -> None:
    made = worker(tmp_path, transaction=["SELECT 1", REFUND], on_error="mark_failed")
    assert [(s.name, s.attempt) for s in made.statements[-2:]] == [("commit", 1), ("mark_failed", 2)]
    assert made.statements[-1].sql == (
        "UPDATE story_jobs SET status = 'failed', error = 'generation failed' WHERE job_id = :'j1'"
    )
    assert next_attempt(made, 2, "57014") == 4


def test_to_ignore_is_to_keep_going(tmp_path: Path) -> None:
    assert worker(tmp_path, statements=[REFUND], on_error="ignore") == worker(
        tmp_path, statements=[REFUND], keep_going=True
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"on_error": "mark_failed", "statements": ["SELECT 1"]}, "`mark_failed` needs a refund"),
        ({"on_error": "ignore", "keep_going": True, "statements": [REFUND]}, "`keep_going` is `on_error: ignore`"),
        ({"attempts": 2, "statements": [REFUND]}, "`attempts` needs `on_error: retry`"),
        ({"on_error": "ignore", "attempts": 2, "statements": [REFUND]}, "`attempts` needs `on_error: retry`"),
        ({"on_error": "retry", "attempts": 1, "statements": [REFUND]}, "'attempts' must be "),
        ({"on_error": "again", "statements": [REFUND]}, "'on_error' must be "),
    ],
)
def test_a_wrong_on_error(tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=r"small\.yaml:1:") as e:
        worker(tmp_path, **keys)
    assert message in str(e.value)


# ------------------------------------------------------------------------------------- effects and serial worlds

B, Q, C = StatementKind.BEGIN, StatementKind.QUERY, StatementKind.COMMIT
ATTEMPTS = (
    ("begin", B, 1), ("read", Q, 1), ("pay", Q, 1), ("commit", C, 1),
    ("begin_2", B, 2), ("read_2", Q, 2), ("pay_2", Q, 2), ("commit_2", C, 2),
)  # fmt: skip
RETRIER = Worker(name="w", statements=tuple(Statement(name=n, sql=n, kind=k, attempt=a) for n, k, a in ATTEMPTS))


def history(*done: tuple[str, EventKind]) -> History:
    events = []
    for step, kind in done:
        events.append(Event(kind=EventKind.INVOKE, turn=0, worker="w", step=step))
        state = "40001" if kind is EventKind.FAIL else None
        events.append(Event(kind=kind, turn=0, worker="w", step=step, sqlstate=state))
    return History(events=tuple(events), opening={}, closing={})


OK, FAIL = EventKind.OK, EventKind.FAIL
FAILED_ONCE = [("begin", OK), ("read", OK), ("pay", FAIL)]
ALL_WELL = [("begin_2", OK), ("read_2", OK), ("pay_2", OK), ("commit_2", OK)]


def test_an_attempt_that_was_rolled_back_had_no_effect() -> None:
    found = operations([RETRIER], history(*FAILED_ONCE, *ALL_WELL))
    assert [op.effect for op in found] == [Effect.NONE] * 3 + [Effect.COMMITTED] * 4
    failed = operations([RETRIER], history(*FAILED_ONCE, *ALL_WELL[:2], ("pay_2", FAIL)))
    assert {op.effect for op in failed} == {Effect.NONE}


class Probe:
    """Remembers what it is asked to run serially; nothing ever differs."""

    def __init__(self) -> None:
        self.taken: list[dict[str, tuple[Statement, ...]]] = []
        self.orders: list[tuple[str, ...]] = []

    def invariants(self) -> dict[str, Any]:
        return {}

    def sequence_columns(self) -> dict[str, dict[str, str]]:
        return {}

    def serial(self, take: dict[str, tuple[Statement, ...]], order: tuple[str, ...]) -> Execution:
        self.taken.append(dict(take))
        self.orders.append(tuple(order))
        differs = History(events=(), opening={}, closing={"t": ({"n": 1},)})
        return Execution(number=0, schedule=Schedule(seed=0, decisions=()), history=differs)


def context(what: History, *workers: Worker) -> tuple[Context, Probe]:
    scenario = Scenario(
        name="x", about="", file="", text_hash="", install=(), setup=(), workers=workers, interleavings=(), expect={},
        expect_violation=(), invariants=(), state=(), users=(), jobs=(), fresh_database=False,
    )  # fmt: skip
    probe = Probe()
    execution = Execution(number=0, schedule=Schedule(seed=0, decisions=()), history=what)
    return Context(scenario=scenario, execution=execution, probe=probe, order=None, memory={}), probe


@pytest.mark.parametrize(
    ("done", "taken"),
    [
        ([*FAILED_ONCE, *ALL_WELL], ["begin_2", "read_2", "pay_2", "commit_2"]),
        ([("begin", OK), ("read", OK), ("pay", OK), ("commit", OK)], ["begin", "read", "pay", "commit"]),
        ([*FAILED_ONCE, ("begin_2", OK), ("read_2", OK), ("pay_2", FAIL)], None),
    ],
)
def test_serially_only_the_attempt_counts_that_took_effect(
    done: list[tuple[str, EventKind]], taken: list[str] | None
) -> None:
    judged, probe = context(history(*done), RETRIER)
    serial_equivalence(judged)
    found = [[s.name for s in take["w"]] for take in probe.taken if "w" in take]
    assert found == ([taken] if taken is not None else [])
    assert all(s.attempt == 1 for take in probe.taken for mine in take.values() for s in mine)


def test_serial_orders_respect_who_comes_after_whom() -> None:
    one = (Statement(name="pay", sql="pay"),)
    workers = (
        Worker(name="z", statements=one), Worker(name="a", statements=one),
        Worker(name="b", statements=one, after=("a", "gone")), Worker(name="c", statements=one, after=("a", "b")),
    )  # fmt: skip
    judged, probe = context(history(), *workers)
    serial_equivalence(judged)
    assert {"".join(order) for order in probe.orders} == {"zabc", "azbc", "abzc", "abcz"}


# ------------------------------------------------------------------------------------------------------- queue


def test_a_stalled_worker_and_its_successor_overlap(tmp_path: Path) -> None:
    assert after(queued(tmp_path, 2, stalls=["w1"])) == {"w1": (), "w2": ()}


def test_a_retry_comes_after_what_failed(tmp_path: Path) -> None:
    assert after(queued(tmp_path, 2, fails=["w1"], attempts=2)) == {"w1": (), "w2": ("w1",)}
    assert after(queued(tmp_path, 1, fails=["w1"], attempts=2)) == {"w1": (), "w1_2": ("w1",)}
    found = queued(tmp_path, 2, fails=["w1", "w2"], attempts=3, backoff=5000)
    assert after(found) == {"w1": (), "w2": ("w1",), "w1_2": ("w1", "w2")}
    assert found[0].statements == found[2].statements


def test_a_zombie_overlaps_with_all_that_follow(tmp_path: Path) -> None:
    found = queued(tmp_path, 3, stalls=["w1"], fails=["w2"], attempts=2)
    assert after(found) == {"w1": (), "w2": (), "w3": ("w2",)}


def test_deliveries_are_workers_to_orders_and_answers(tmp_path: Path) -> None:
    keys = {"workers": {"w": {"statements": [REFUND]}}, "queue": {"job": "j1", "fails": ["w"], "attempts": 2}}
    s = load(tmp_path, **keys, orders=[["w.refund", "w_2.refund"]], expect={"w_2": {"success": False}})
    assert [w.name for w in s.workers] == ["w", "w_2"]
    assert s.expect == {"w_2": {"success": False}}


@pytest.mark.parametrize(
    ("workers", "queue", "message"),
    [
        (1, {"stalls": ["w1"]}, "nobody is left to take j1 once more"),
        (2, {}, "w2 is never given j1"),
        (2, {"fails": ["w1"]}, "w2 is never given j1"),
        (3, {"stalls": ["w1", "w2"]}, "w3 is never given j1"),
        (2, {"stalls": ["w3"]}, "unknown worker 'w3'; known: w1, w2"),
        (2, {"stalls": ["w1"], "fails": ["w1"]}, "'w1' stands twice"),
        (2, {"stalls": ["w1", "w1"]}, "'w1' stands twice"),
        (2, {"stalls": ["w1"], "job": "j7"}, "no worker and no set-up mentions the job 'j7'"),
        (2, {"kind": "sidekiq"}, "'kind' must be "),
    ],
)
def test_a_wrong_queue(tmp_path: Path, workers: int, queue: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as e:
        queued(tmp_path, workers, **queue)
    assert message in str(e.value)


def test_a_delivery_cannot_have_the_name_of_a_worker(tmp_path: Path) -> None:
    made = {name: {"statements": [REFUND]} for name in ("w", "w_2")}
    with pytest.raises(ScenarioError, match="w_2 is what delivery 2 to w is called"):
        load(tmp_path, workers=made, queue={"job": "j1", "fails": ["w", "w_2"], "attempts": 3})


# ------------------------------------------------------------------------------------------------ exact orders

PAIR = {
    "a": {"transaction": [REFUND], "on_error": "mark_failed"},
    "b": {"transaction": [REFUND]},
}


def ordered(tmp_path: Path, *steps: Any, **keys: Any) -> Scenario:
    workers = {**PAIR, "a": {**PAIR["a"], **keys}}
    return load(tmp_path, workers=workers, orders=[list(steps)])


@pytest.mark.parametrize(
    "steps",
    [
        ["b.begin", "b.refund", "a.begin", {"a.refund": "blocked"}, "b.commit", "a.mark_failed"],
        ["a.begin", "a.refund", "a.commit", "b.begin", "b.refund"],
        ["a.begin", "a.refund", "b.begin", {"b.refund": "blocked"}, "a.mark_failed", "b.commit"],
    ],
)
def test_an_order_may_expect_a_failure_and_go_on_behind_it(tmp_path: Path, steps: list[Any]) -> None:
    [found] = ordered(tmp_path, *steps).interleavings
    assert isinstance(found, Order)
    assert len(found.steps) == len(steps)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (["a.mark_failed"], "a.mark_failed is out of order: next comes a.begin"),
        (["b.begin", "b.refund", "a.begin", {"a.refund": "blocked"}, "a.mark_failed"], "next comes a.commit"),
        (["a.begin", "a.kill", "a.mark_failed"], "a.mark_failed: a is dead"),
        (["a.begin", "a.mark_failed", "a.commit"], "a.commit is out of order: next comes nothing more of a"),
    ],
)
def test_an_order_cannot_go_on_with_an_attempt_that_is_not_its_turn(
    tmp_path: Path, steps: list[Any], message: str
) -> None:
    with pytest.raises(ScenarioError) as e:
        ordered(tmp_path, *steps)
    assert message in str(e.value)


def test_an_order_cannot_skip_an_attempt(tmp_path: Path) -> None:
    ordered(tmp_path, "a.begin", "a.begin_2", "a.refund_2", "a.begin_3", on_error="retry")
    with pytest.raises(ScenarioError, match=r"a\.begin_3 is out of order: next comes a.refund"):
        ordered(tmp_path, "a.begin", "a.begin_3", on_error="retry")
    with pytest.raises(ScenarioError, match=r"a\.refund_2 is out of order: next comes a.refund"):
        ordered(tmp_path, "a.begin", "a.refund_2", on_error="retry")


# ------------------------------------------------------------------------------------- a counterexample, written out


def reduced(tmp_path: Path, scenario: Scenario, *without: str) -> Scenario:
    follow = Follow(choices=(Choice(worker=scenario.workers[-1].name, step="refund"),))
    made = Reduced(scenario, name="kept", without=without, follow=follow, relocate=str)
    path = tmp_path / "kept.yaml"
    path.write_text(made.text(["# kept"]), encoding="utf-8")
    return load_scenario(path)


def queue_of(tmp_path: Path, workers: int, **queue: Any) -> Scenario:
    made = {f"w{i}": {"statements": [REFUND, "SELECT 1"]} for i in range(1, workers + 1)}
    return load(tmp_path, workers=made, queue={"job": "j1", **queue})


def test_with_all_its_deliveries_a_queue_stays_as_it_is(tmp_path: Path) -> None:
    cases: list[tuple[int, dict[str, Any]]] = [(2, {"stalls": ["w1"]}), (1, {"fails": ["w1"], "attempts": 2})]
    for n, queue in cases:
        scenario = queue_of(tmp_path, n, **queue)
        kept = reduced(tmp_path, scenario)
        assert kept.workers == scenario.workers
        assert "queue" in (tmp_path / "kept.yaml").read_text()


def test_what_is_left_of_overlapping_deliveries_needs_no_queue(tmp_path: Path) -> None:
    scenario = queue_of(tmp_path, 2, stalls=["w1"])
    kept = reduced(tmp_path, scenario, "w2.select")
    assert [[s.name for s in w.statements] for w in kept.workers] == [["refund", "select"], ["refund"]]
    assert "queue" not in (tmp_path / "kept.yaml").read_text()
    assert [w.name for w in reduced(tmp_path, scenario, "w1").workers] == ["w2"]


def test_deliveries_one_after_the_other_need_theirs(tmp_path: Path) -> None:
    for n in (1, 2):
        with pytest.raises(Unwritable, match="once a worker has come back"):
            reduced(tmp_path, queue_of(tmp_path, n, fails=["w1"], attempts=2), "w1.select")
