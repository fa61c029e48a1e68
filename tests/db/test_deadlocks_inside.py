"""Deadlocks of workers held inside their functions, through replay, shrinking and the homemade test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.campaign import Options, Silent, run_campaign
from harness.checks import judge
from harness.checks.cycles import deadlock_message
from harness.driver.plan import Watch
from harness.driver.pool import WorkerPool
from harness.found import watch_for
from harness.model import (
    Action,
    Choice,
    Decision,
    EventKind,
    Execution,
    RunResult,
    Scenario,
    Schedule,
    Script,
    Search,
    Violation,
    Worker,
)
from harness.mutants.files import read_mutant
from harness.mutants.setting import with_mutant
from harness.report.results import results_json
from harness.report.summary import red_summary
from harness.stage import Stage, Stages
from harness.statements import make_statement, unique_names
from harness.strategies.replay import Replay
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

MUTANTS = Path(__file__).parents[2] / "sql" / "mutants"
TABLES = """
CREATE TABLE job (name text PRIMARY KEY, n int); INSERT INTO job VALUES ('j1', 0);
CREATE TABLE balance (name text PRIMARY KEY, n int); INSERT INTO balance VALUES ('alice', 0);
CREATE FUNCTION refund() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM job WHERE name = 'j1' FOR UPDATE;
  UPDATE balance SET n = n + 1 WHERE name = 'alice';
  RETURN 'done';
END $$;
CREATE FUNCTION close_account() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  UPDATE balance SET n = 0
    WHERE name = 'alice';
  UPDATE job SET n = n + 1 WHERE name = 'j1';
  RETURN 'done';
EXCEPTION WHEN OTHERS THEN
  RETURN 'sorry';
END $$;
"""
REFUND = (
    "refund held row (name j1) of job (FOR UPDATE, since {} refund:3: PERFORM FROM job WHERE name = 'j1' FOR UPDATE)"
    " and waited for row (name alice) of balance"
    " (UPDATE, {} refund:4: UPDATE balance SET n = n + 1 WHERE name = 'alice')"
)
CLOSING = (
    "closing held row (name alice) of balance"
    " (since {} close_account:3: UPDATE balance SET n = 0 WHERE name = 'alice')"
    " and waited for row (name j1) of job"
    " (UPDATE, {} close_account:5: UPDATE job SET n = n + 1 WHERE name = 'j1')"
)


def scenario(**calls: tuple[str, ...]) -> Scenario:
    return Scenario(
        name="held", about="", file="held", text_hash="", install=(Script(name="tables", text=TABLES),), setup=(),
        workers=tuple(
            Worker(name=name, statements=tuple(unique_names(map(make_statement, sql)))) for name, sql in calls.items()
        ),
        interleavings=(Search(strategy="auto"),), expect={}, expect_violation=("deadlock",), invariants=(), state=(),
        users=(), jobs=(), fresh_database=False, restore=True,
    )  # fmt: skip


BOTH = scenario(refund=("SELECT refund()",), closing=("SELECT close_account()",))


Open = Callable[[Scenario], Stages]


@pytest.fixture
def opened(target: EmbeddedTarget, databases: Databases, pool: WorkerPool) -> Iterator[Open]:
    made: list[Stages] = []

    def open_stages(what: Scenario) -> Stages:
        made.append(Stages(what, target, databases, pool))
        return made[-1]

    yield open_stages
    for stages in made:
        stages.close()


def schedule(text: str) -> Schedule:
    choices = [Choice(worker=w, step=s) for w, _, s in (word.partition(".") for word in text.split())]
    return Schedule(seed=0, decisions=tuple(Decision(choice=c, enabled=()) for c in choices))


def followed(stage: Stage, order: str) -> Violation:
    """What is said of the deadlock in this order, taken as it comes: watched, or it would run on through its gates."""
    strategy = Replay(schedule(order), exact=False)
    assert strategy.start()
    execution, _ = stage.replay(strategy, seed=0, watch=Watch.TOLD)
    return said(stage, execution)


def said(stage: Stage, execution: Execution) -> Violation:
    [found] = [v for r in judge(stage.context(execution, None)) for v in r.violations if v.check == "deadlock"]
    return found


HALF_REFUND = "refund.select refund.refund:3 refund.refund:3~"
HALF_CLOSING = "closing.select closing.close_account:3 closing.close_account:3~"


def test_who_closes_it_is_told_and_the_other_one_too(opened: Open) -> None:
    stage = opened(BOTH).of(BOTH.interleavings[0])
    rest = "closing.close_account:5 closing.close_account:5~", "refund.refund:4 refund.refund:4~"
    swallowed = followed(stage, f"{HALF_REFUND} {HALF_CLOSING} {rest[1]} {rest[0]}")
    assert swallowed.message == (
        "closing and refund waited for each other: closing.select closed the cycle and its function caught the error; "
        f"{CLOSING.format('T5', 'T9')}; {REFUND.format('T2', 'T7')}"
    )
    failed = followed(stage, f"{HALF_REFUND} {HALF_CLOSING} {rest[0]} {rest[1]}")
    assert failed.message == (
        "refund and closing waited for each other: refund.select closed the cycle and failed with 40P01; "
        f"{REFUND.format('T2', 'T9')}; {CLOSING.format('T5', 'T7')}"
    )


def test_a_campaign_reports_what_the_confirming_replay_has_seen(opened: Open, tmp_path: Path) -> None:
    """Which is exact, and would run on through gates; so does every later replay of the file."""
    results = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        stages = opened(BOTH)
        results.append(run_campaign(BOTH, stages, Options(folder=folder), Silent(), "18"))
        history = (folder / "held-1.history.jsonl").read_text()
        assert '"held_step": "refund:3' in history
    result = results[0]
    [example] = result.counterexamples
    [again] = results[1].counterexamples  # whose files lie elsewhere, and whose times are its own
    story = replace(again.story, nearest=example.story.nearest)
    assert example == replace(again, replay=example.replay, execution=example.execution, story=story)
    [deadlock] = [v for v in example.violations if v.check == "deadlock"]
    closer, first, second = deadlock.witness
    assert closer["workers"] == ["refund", "closing"] or closer["workers"] == ["closing", "refund"]
    rows = {row["worker"]: row for row in (first, second)}
    assert rows["refund"]["holds"] == rows["closing"]["waits_for"] == "row (name j1) of job"
    assert rows["closing"]["holds"] == rows["refund"]["waits_for"] == "row (name alice) of balance"
    assert (rows["refund"]["line"], rows["closing"]["line"]) == ("refund:4", "close_account:5")
    assert (rows["refund"]["held_line"], rows["closing"]["held_line"]) == ("refund:3", "close_account:3")
    run = RunResult(verdict=result.verdict, seed=0, server_version="18", elapsed_s=0, scenarios=(result,))
    [written] = [v for v in results_json(run)["scenarios"][0]["violations"] if v["check"] == "deadlock"]
    assert written["witness"][1:] == [dict(first), dict(second)]
    red = replace(run, scenarios=(replace(result, verdict=result.observed, expect=()),))
    screen = " ".join(" ".join(red_summary(red, "", 200, 40)).split())
    assert deadlock.message in screen


SHIPPED = (
    "w1 held row (job_id j1) of story_jobs (FOR UPDATE, since T2 refund_job_atomic:19: ",
    "and waited for row (user_id alice) of user_balances (FOR UPDATE, T10 refund_balance_atomic:16: ",
    "w2 held row (user_id alice) of user_balances (FOR UPDATE, since T7 complete_job_atomic:18: ",
    "and waited for row (job_id j1) of story_jobs (FOR UPDATE, T9 complete_job_atomic:23: ",
)


@pytest.mark.parametrize(
    ("mutant", "victim"),
    [
        ("lock_order_swapped", "closed the cycle and failed with 40P01"),
        ("deadlock_swallowed", "closed the cycle and its function caught the error"),
    ],
)
def test_the_shipped_variants_name_job_and_balance(opened: Open, mutant: str, victim: str) -> None:
    """Through a nested function, on rows whose ids are made anew for every execution."""
    variant = with_mutant(read_mutant(MUTANTS / f"{mutant}.sql"), None)
    result = run_campaign(variant, opened(variant), Options(), Silent(), "18")
    [deadlock] = [v for e in result.counterexamples for v in e.violations if v.check == "deadlock"]
    assert f"w1 and w2 waited for each other: w1.refund {victim}; " in deadlock.message
    places = [deadlock.message.index(part) for part in SHIPPED]
    assert places == sorted(places)


def test_whose_worker_may_die_as_it_waits_does_not_tell() -> None:
    calm = schedule("refund.select closing.select")
    killed = replace(
        calm, decisions=(*calm.decisions, Decision(choice=Choice(worker="closing", action=Action.KILL), enabled=()))
    )
    assert watch_for(calm, {"deadlock", "liveness"}) is Watch.TOLD
    assert watch_for(killed, {"deadlock", "liveness"}) is Watch.HELD
    assert watch_for(calm, {"liveness"}) is Watch.PLAIN


def test_threads_tell_who_was_in_it(opened: Open) -> None:
    seen = "EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = {})"
    meet = f"DO $$ BEGIN WHILE NOT {seen} LOOP PERFORM pg_sleep(0.001); END LOOP; END $$"

    def crossing(mine: int, other: int) -> tuple[str, ...]:
        return (
            "BEGIN", f"SELECT pg_advisory_xact_lock({mine})", meet.format(other),
            f"SELECT pg_advisory_xact_lock({other})", "COMMIT",
        )  # fmt: skip

    stage = opened(scenario(a=crossing(1, 2), b=crossing(2, 1), c=("SELECT pg_sleep(0.5)",))).of(
        Search(strategy="free_running")
    )
    execution = stage.released_by_threads(0, seed=0)
    [event] = [e for e in execution.history.events if e.kind is EventKind.DEADLOCK]
    victim, other = event.worker, "b" if event.worker == "a" else "a"
    lock = {"a": "advisory lock 1", "b": "advisory lock 2"}
    assert event.blockers == ("a", "b")  # and not c, which was under way as well
    assert deadlock_message(event) == (
        f"a and b waited for each other: {victim}.select_2 closed the cycle and failed with 40P01; "
        f"{victim} held {lock[victim]} and waited for {lock[other]}"
        f" (EXCLUSIVE, select_2: SELECT pg_advisory_xact_lock({lock[other][-1]})); "
        f"{other} held {lock[other]} and waited for {lock[victim]} (EXCLUSIVE)"
    )
