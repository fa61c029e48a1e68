"""The whole corpus as `harness check` would run it: broken systems are found out, correct ones are not accused."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from corpus_campaigns import AUTO, campaign, scenario_of
from corpus_cases import Case, cases
from corpus_reasons import EXPECTED, SELF_EXPLAINED, UNREADABLE
from plants import words

from harness.causes import reasons_of
from harness.checks import judge
from harness.driver.pool import WorkerPool
from harness.model import Counterexample, Reason, ReasonKind, Scenario, ScenarioResult, Verdict
from harness.recorded import read_history
from harness.replay import read_saved
from harness.stage import Stages
from harness.strategies.replay import Replay
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

BROKEN = [case for case in cases() if not case.passes]
CORRECT = [case for case in cases() if case.passes]


def violated(result: ScenarioResult) -> set[str]:
    return {v.check for c in result.counterexamples for v in c.violations}


STRUCK = pytest.mark.own_server("only there it is a rule whom a deadlock of three strikes, and a replay is exact")


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=STRUCK) if case.name == "circle_of_three" else case for case in BROKEN],
    ids=lambda case: case.name,
)
def test_a_broken_system_is_found_out(
    case: Case, target: EmbeddedTarget, databases: Databases, pool: WorkerPool, tmp_path: Path
) -> None:
    result = campaign(case, target, databases, pool, folder=tmp_path)
    assert result.observed is Verdict.VIOLATION, words(result)
    assert violated(result) >= set(case.verdicts), words(result)
    assert violated(result) <= {*case.verdicts, *case.may}, words(result)
    assert result.serially == case.serially, words(result)
    again = set[str]()
    for counterexample in result.counterexamples:
        again |= replayed(scenario_of(case, AUTO), Path(counterexample.replay), target, databases, pool)
    assert again >= set(case.verdicts)
    for counterexample in result.counterexamples:
        assert told(counterexample) == expected(case, counterexample), counterexample.story.reasons
        assert told_again(counterexample) == counterexample.story.reasons


def told(counterexample: Counterexample) -> tuple[ReasonKind, str, tuple[str, ...]] | None:
    """The first reason of a counterexample."""
    if not counterexample.story.reasons:
        return None
    first = counterexample.story.reasons[0]
    return first.kind, first.table, first.columns


def expected(case: Case, counterexample: Counterexample) -> tuple[ReasonKind, str, tuple[str, ...]] | None:
    if {v.check for v in counterexample.violations} <= SELF_EXPLAINED or case.name in UNREADABLE:
        return None
    return EXPECTED[case.name]


def told_again(counterexample: Counterexample) -> tuple[Reason, ...]:
    """The reasons as they are read off what was saved, without any server."""
    saved = read_saved(Path(counterexample.replay))
    recorded = read_history(Path(counterexample.replay).with_suffix(".history.jsonl"), saved.schedule)
    assert recorded.violations == counterexample.violations
    return reasons_of(recorded.execution, recorded.violations, saved.isolation)


def test_every_reason_is_one_of_a_case() -> None:
    assert EXPECTED.keys() | UNREADABLE <= {case.name for case in BROKEN}
    assert not EXPECTED.keys() & UNREADABLE


def replayed(
    scenario: Scenario, path: Path, target: EmbeddedTarget, databases: Databases, pool: WorkerPool
) -> set[str]:
    """What the saved schedule violates when it is carried out again, exactly."""
    saved = read_saved(path)
    assert saved.hash == scenario.text_hash
    stages = Stages(scenario, target, databases, pool)
    try:
        stage = stages.of(scenario.interleavings[saved.order])
        stage.leave_out(frozenset(saved.without))
        execution, _ = stage.replay(Replay(saved.schedule, exact=True), seed=saved.schedule.seed)
        found = {v.check for r in judge(stage.context(execution, None)) for v in r.violations}
    finally:
        stages.close()
    assert found >= set(saved.checks)
    return found


@pytest.mark.parametrize("case", CORRECT, ids=lambda case: case.name)
def test_a_correct_system_is_not_accused(
    case: Case, target: EmbeddedTarget, databases: Databases, pool: WorkerPool
) -> None:
    result = campaign(case, target, databases, pool)
    assert result.verdict is Verdict.PASS, words(result)
    assert not violated(result), words(result)
    assert result.exhausted != ("other orders were not tried" in result.meaning.lower()), words(result)


@pytest.mark.own_server("only there a search can be exhausted")
def test_a_serializable_stranger_on_the_server_makes_no_violation(
    target: EmbeddedTarget, databases: Databases, pool: WorkerPool
) -> None:
    """As long as one is under way anywhere, the predicate locks of those that have ended stay in the lock table."""
    [case] = [c for c in CORRECT if c.name == "write_skew_serializable"]
    with psycopg.connect(target.conninfo("postgres")) as stranger:
        stranger.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        stranger.execute("SELECT count(*) FROM pg_class")
        result = campaign(case, target, databases, pool)
        assert result.observed is Verdict.PASS, words(result)
        assert result.exhausted
