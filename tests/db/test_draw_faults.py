"""Hypothesis draws a fault along with inputs and schedule: kept where the violation needs it, taken out where not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from commands import harness
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from harness.draw import Blow, Case, Drawn, Numbers, Violated, call, cases, check, runtime, struck_by, system
from harness.draw.refunds import ROLE, charge, refund, refunds
from harness.errors import UsageError
from harness.model import FAULTS

QUIET = settings(
    deadline=None, max_examples=200, database=None, phases=(Phase.generate, Phase.shrink), print_blob=False
)
SHOP = """\
CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, status text);
INSERT INTO accounts VALUES (1, 4000);
INSERT INTO jobs VALUES ('j1', 'processing'), ('j2', 'processing');
CREATE PROCEDURE refund(p_job text) LANGUAGE plpgsql AS $$
DECLARE
  v_status text;
BEGIN
  SELECT status INTO v_status FROM jobs WHERE id = p_job FOR UPDATE;
  IF v_status <> 'processing' THEN
    RETURN;
  END IF;
  UPDATE jobs SET status = 'processing_refund' WHERE id = p_job;
  COMMIT;
  UPDATE accounts SET balance = balance + 1000 WHERE id = 1;
  UPDATE jobs SET status = 'failed' WHERE id = p_job;
END $$;
"""
"""Marks the job in a transaction of its own and pays in a second one: who dies in between has it skipped for ever."""
STUCK = {"stuck": "SELECT id FROM jobs WHERE status = 'processing_refund'"}


@pytest.fixture(scope="module", autouse=True)
def _server() -> Iterator[None]:
    yield
    runtime.close()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.sql"
    path.write_text(SHOP)
    return path


def found_by(drawn: st.SearchStrategy[Case], out: Path) -> tuple[Violated, Case]:
    """What a failing test of somebody's would end with, and the case that Hypothesis ran last."""
    last: list[Case] = []

    @hypothesis.seed(0)
    @QUIET
    @given(drawn)
    def test(case: Case) -> None:
        last.append(case)
        check(case, name="struck", out=out)

    with pytest.raises(Violated) as caught:
        test()
    return caught.value, last[-1]


def test_a_fault_that_the_violation_needs_is_kept_and_replayed(shop: Path, tmp_path: Path) -> None:
    made = system("shop", sql=[shop], invariants=STUCK)
    refunding = call("CALL refund({job})", job=st.sampled_from(["j1", "j2"]))
    violated, case = found_by(cases(made, refunding, workers=(1, 2), calls_each=(1, 2), faults=["all"]), tmp_path)
    assert re.fullmatch(
        r"Case\(w1=\[refund\(job='j1'\)\], crash='w1\.call \+ \d+', numbers=Numbers\(\{\}\)\)", repr(case)
    )
    execution = violated.counterexample.execution
    assert struck_by(execution)[0] == "crash"
    assert "stuck" in {v.check for v in violated.counterexample.violations}
    assert {e.worker for e in execution.history.events if e.worker} == {"w1", "w1_retry"}
    red = harness("replay", violated.counterexample.replay)
    assert (red.returncode, red.stderr) == (1, "")
    assert "reproduced 1 of 1" in red.stdout
    shop.write_text(SHOP.replace("v_status <> 'processing'", "v_status = 'failed'"))
    green = harness("replay", violated.counterexample.replay)
    assert (green.returncode, green.stderr) == (0, ""), green.stdout


def test_without_faults_nothing_is_wrong_with_it(shop: Path) -> None:
    made = system("shop", sql=[shop], invariants=STUCK)
    refunding = call("CALL refund({job})", job=st.sampled_from(["j1", "j2"]))

    @hypothesis.seed(0)
    @settings(QUIET, max_examples=40)
    @given(cases(made, refunding))
    def test(case: Case) -> None:
        assert struck_by(check(case, out=None))[0] == ""

    test()


def test_a_fault_that_the_violation_does_not_need_goes(shop: Path, tmp_path: Path) -> None:
    shop.write_text(SHOP.replace(" FOR UPDATE", ""))
    made = system("shop", sql=[shop], invariants={"rich": "SELECT id FROM accounts WHERE balance > 6000"})
    violated, case = found_by(cases(made, call("CALL refund('j1')"), workers=(3, 3), faults=["all"]), tmp_path)
    assert not case.blow.fault
    assert case.blow == Blow()
    assert struck_by(violated.counterexample.execution)[0] == ""
    assert "retry" not in Path(violated.counterexample.replay).read_text()


JOBS = {"j1": "alice"}
CHARGED_AND_REFUNDED = Drawn(calls=(charge("j1", "alice", 100), refund("j1", "alice", 100)), role=ROLE)


def struck_case(fault: str, position: int) -> Case:
    blow = Blow(fault=fault, worker=4, call=3, position=position)  # taken around: w1's second call
    return Case(system=refunds(JOBS), workers=(CHARGED_AND_REFUNDED,), numbers=Numbers(), blow=blow)


@pytest.mark.parametrize("fault", [f for f in FAULTS if f != "idle_timeout"])
def test_the_retry_begins_with_the_call_that_was_struck(fault: str) -> None:
    position = 0 if fault in ("lost_request", "torn_request", "black_hole") else 3  # only what is sent can be lost
    case = struck_case(fault, position)
    assert repr(case).endswith(f"{fault}='w1.refund + {position}', numbers=Numbers({{}}))")
    execution = check(case, out=None)
    assert struck_by(execution)[0] == fault
    sent = [(e.worker, e.step) for e in execution.history.events if e.kind.value == "invoke"]
    assert sent[-2:] == [("w1_retry", "refund"), ("w1_retry", "refund:commit")]
    assert ("w1_retry", "charge") not in sent
    [account] = execution.history.closing["user_balances"]
    assert account["balance"] == 5000
    assert sum(row["type"] == "refund" for row in execution.history.closing["balance_transactions"]) == 1


def test_without_a_fault_that_struck_there_is_no_retry() -> None:
    """Outside transactions nobody is idle in one; and a call has no hundred points."""
    for case in (struck_case("idle_timeout", 0), struck_case("crash", 100)):
        execution = check(case, out=None)
        assert struck_by(execution)[0] == ""
        assert {e.worker for e in execution.history.events if e.worker} == {"w1"}


def test_a_transaction_of_several_calls_is_retried_as_a_whole() -> None:
    worker = Drawn(calls=CHARGED_AND_REFUNDED.calls, role=ROLE, isolation="read committed")
    blow = Blow(fault="idle_timeout", position=2)
    execution = check(Case(system=refunds(JOBS), workers=(worker,), numbers=Numbers(), blow=blow), out=None)
    assert struck_by(execution)[0] == "idle_timeout"
    sent = [e.step for e in execution.history.events if e.kind.value == "invoke" and e.worker == "w1_retry"]
    assert sent == ["begin", "charge", "refund", "commit"]


def test_a_fault_that_there_is_not() -> None:
    with pytest.raises(UsageError, match="there is no fault 'crush': crash, run_on"):
        cases(refunds(JOBS), st.just(charge("j1", "alice", 1)), faults=["crush"])
