"""Faults as a part of what is drawn: the shipped functions bear them all; a bug that needs one is shrunk with it."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.stateful import run_state_machine_as_test
from refund_inputs import crowds, system

from harness.draw import Case, Violated, check, runtime, struck_by
from harness.draw.machine import JOBS, RefundMachine
from harness.draw.refunds import refunds
from harness.model import FAULTS, Action, EventKind, Execution

PLANTED = Path(__file__).parent / "planted"
RUNS = int(os.environ.get("HARNESS_DRAWN_FAULTS", "60"))
PARTS = 2
NEEDS_TRANSACTION = {"idle_timeout"}
SETTINGS = settings(
    deadline=None,
    database=None,
    stateful_step_count=6,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=tuple(HealthCheck),
)


@pytest.fixture(scope="module", autouse=True)
def _server() -> Iterator[None]:
    yield
    runtime.close()


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def acknowledged(execution: Execution) -> Counter[str]:
    """Jobs whose refund some client was told of, and that it is committed."""
    refunded: dict[str, str] = {}
    told: Counter[str] = Counter()
    for event in execution.history.events:
        if event.kind is not EventKind.OK:
            continue
        if event.step.endswith(":commit"):
            told.update([refunded.pop(event.worker)] if event.worker in refunded else [])
        for row in event.answer or ():
            told_by = next(iter(row.values()), None)
            if isinstance(told_by, dict) and told_by.get("refunded") is True:
                refunded[event.worker] = told_by["job_id"]
    return told


def paid(execution: Execution) -> Counter[str]:
    rows = execution.history.closing["balance_transactions"]
    return Counter(row["metadata"]["job_id"] for row in rows if row["type"] == "refund")


@pytest.mark.parametrize("part", range(PARTS))
def test_every_acknowledged_refund_is_there_once_and_no_other_twice(
    part: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """10,000 executions and more with HARNESS_DRAWN_FAULTS=10000. Each is also judged by all checks, as any is."""
    made = system()
    runs = 0
    told: Counter[str] = Counter()
    seen: Counter[str] = Counter()

    @hypothesis.seed(part)
    @settings(SETTINGS, max_examples=RUNS // PARTS, phases=(Phase.generate,))
    @given(crowds(made, workers=(2, 3), faults=["all"]))
    def one(case: Case) -> None:
        nonlocal runs
        execution = check(case, out=None)
        runs += 1
        seen[struck_by(execution)[0]] += 1
        rows, known = paid(execution), acknowledged(execution)
        told.update(known)
        assert max(rows.values(), default=0) <= 1
        assert all(known[job] == rows[job] == 1 for job in known)

    one()
    with capsys.disabled():
        kinds = ", ".join(f"{name} {seen[name]}" for name in FAULTS)
        sys.stdout.write(f"\npart {part}: {runs} executions, {told.total()} acknowledged refunds; struck: {kinds}\n")
    assert runs >= RUNS // PARTS
    assert told
    if RUNS >= 1000 * PARTS:
        assert not [name for name in FAULTS if not seen[name] and name not in NEEDS_TRANSACTION]
    assert seen.total() > seen[""]


class Struck(RefundMachine):
    faults = ("all",)


def test_the_shipped_functions_bear_a_fault_in_any_sequence() -> None:
    run_state_machine_as_test(Struck, settings=settings(SETTINGS, max_examples=15))


class ChargedAgain(Struck):
    system = refunds(JOBS, replaced_by=[PLANTED / "charge_repeated_without_row.sql"])


def test_a_bug_that_only_a_retry_shows_is_shrunk_to_one_call_and_its_fault() -> None:
    with pytest.raises(Violated) as caught:
        run_state_machine_as_test(ChargedAgain, settings=settings(SETTINGS, max_examples=120, stateful_step_count=3))
    decisions = caught.value.counterexample.execution.schedule.decisions
    assert [d.choice.action for d in decisions if d.choice.action is not Action.RUN] == [Action.RUN_ON]
    assert [d.choice.step for d in decisions if ":" not in d.choice.step and d.choice.step] == ["charge", "charge"]
    assert {d.choice.worker for d in decisions} == {"w1", "w1_retry"}
    printed = "\n".join(caught.value.__notes__)
    assert "strike(fault='run_on', position=0)" in printed
    assert "charge(amount=1, worker=1)" in printed
    assert "balance_matches_ledger" in {v.check for v in caught.value.counterexample.violations}


class Unstruck(ChargedAgain):
    faults = ()


def test_without_faults_that_bug_stays_hidden() -> None:
    run_state_machine_as_test(Unstruck, settings=settings(SETTINGS, max_examples=10))
