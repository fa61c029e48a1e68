"""The rule-based machine: the shipped functions pass it; a bug three calls deep is found, and shrunk to those three."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from harness.draw import Violated, runtime
from harness.draw.machine import JOBS, RefundMachine
from harness.draw.refunds import refunds

PLANTED = Path(__file__).parent / "planted"
SETTINGS = settings(
    deadline=None, database=None, stateful_step_count=10, phases=(Phase.generate, Phase.target, Phase.shrink)
)


@pytest.fixture(scope="module", autouse=True)
def _server() -> Iterator[None]:
    yield
    runtime.close()


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_shipped_functions_pass() -> None:
    run_state_machine_as_test(RefundMachine, settings=settings(SETTINGS, max_examples=100))


class Reopening(RefundMachine):
    system = refunds(JOBS, replaced_by=[PLANTED / "late_completion_reopens.sql"])


def test_a_bug_three_calls_deep_is_shrunk_to_its_least_sequence() -> None:
    with pytest.raises(Violated) as caught:
        run_state_machine_as_test(Reopening, settings=settings(SETTINGS, max_examples=300))
    steps = [d.choice.step for d in caught.value.counterexample.execution.schedule.decisions]
    assert [s for s in steps if ":" not in s] == ["charge", "refund", "complete"]
    assert {d.choice.worker for d in caught.value.counterexample.execution.schedule.decisions} == {"w1"}
    printed = "\n".join(caught.value.__notes__)
    assert "start(schedule=Numbers({}))" in printed
    assert "charge(amount=1, worker=1)" in printed
    assert "status_forward" in {v.check for v in caught.value.counterexample.violations}
