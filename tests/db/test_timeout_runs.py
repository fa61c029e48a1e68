"""Timeouts in whole runs: functions that take one for something else are red by it, and by no other fault."""

from __future__ import annotations

from pathlib import Path

from harness.campaign import Options
from harness.model import EventKind, FaultMatrix, FaultOutcome, Verdict
from harness.replay import read_saved, replay, scenario_of
from harness.run import SilentReporter, run_scenarios
from harness.scenario import load_scenario
from harness.targets.embedded import EmbeddedTarget

SHIPPED = Path(__file__).parents[2] / "scenarios" / "fault_matrix.yaml"
MARKS = """\
-- Whoever did not get its lock, or ran out of time, takes the refund for somebody else's business, and marks the job.
CREATE OR REPLACE FUNCTION refund_job_atomic(p_job_id text, p_user_id uuid, p_amount integer, p_error_message text)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE v_status text;
BEGIN
  SELECT status INTO v_status FROM story_jobs WHERE job_id = p_job_id FOR UPDATE;
  IF v_status = 'failed' THEN
    RETURN jsonb_build_object('success', false, 'error', 'Job already failed and refunded');
  END IF;
  BEGIN
    PERFORM refund_balance_atomic(p_user_id, p_amount, 'refund', jsonb_build_object('job_id', p_job_id));
  EXCEPTION WHEN lock_not_available OR query_canceled THEN
    IF SQLERRM NOT LIKE '%timeout%'CONDITION THEN RAISE; END IF;
  END;
  UPDATE story_jobs SET status = 'failed', error = p_error_message WHERE job_id = p_job_id;
  RETURN jsonb_build_object('success', true, 'refunded', true);
END $$;
"""
BESIDE = " OR NOT EXISTS (SELECT FROM balance_transactions WHERE amount = -300)"
"""Only when somebody else has been there: never so when a worker is struck alone."""


def run(folder: Path, target: EmbeddedTarget, condition: str, *faults: str) -> FaultMatrix:
    """The red matrix of the shipped scenario on the planted function."""
    (folder / "marks.sql").write_text(MARKS.replace("CONDITION", condition))
    text = SHIPPED.read_text().replace("name: fault_matrix", "name: planted\ninstall: [migrations, marks.sql]")
    (folder / "planted.yaml").write_text(text.split("faults:")[0])
    options = Options(schedules=40, folder=folder, faults=faults)
    scenario = load_scenario(folder / "planted.yaml")
    [result] = run_scenarios([scenario], target, options, SilentReporter(), jobs=1).scenarios
    assert result.verdict is Verdict.VIOLATION, result.meaning
    assert result.faults is not None
    return result.faults


def replayed(target: EmbeddedTarget, path: str) -> list[str | None]:
    """What the faults of a saved schedule say, in both of two replays."""
    saved = read_saved(Path(path))
    result = replay(saved, scenario_of(saved, Path(path)), target, times=2)
    assert (result.reproduced, result.adapted) == (2, False)
    return [e.message for e in result.execution.history.events if e.kind is EventKind.FAULT]


def test_a_timeout_that_is_taken_for_somebody_elses_refund_is_red_and_a_cancel_is_not(
    tmp_path: Path, target: EmbeddedTarget
) -> None:
    matrix = run(tmp_path, target, "", "cancel", "statement_timeout", "lock_timeout")
    cells = [c for c in matrix.cells if c.worker == "original"]
    pays = {c.step for c in cells if c.step.startswith("refund_balance_atomic")}
    red = {(c.step, c.fault) for c in cells if c.outcome is FaultOutcome.VIOLATED}
    assert {site for site, fault in red if fault == "statement_timeout"} == pays
    # Between snapshot and scan a statement has its tables' locks already.
    assert {site for site, fault in red if fault == "lock_timeout"} == {p for p in pays if not p.endswith("~")}
    assert not [fault for _, fault in red if fault == "cancel"]
    assert all(c.fired for c in cells if c.fault == "cancel" and "_atomic:" in c.step)
    for cell in cells:
        if cell.outcome is FaultOutcome.VIOLATED:
            assert "failed_means_refunded" in cell.checks
            assert cell.left == {"balance": (4000,), "status": ("failed",)}
    saved = {c.fault: c.replay for c in cells if c.replay}
    assert replayed(target, saved["statement_timeout"]) == ["statement timeout fires"]
    assert replayed(target, saved["lock_timeout"])[0] == "a stranger holds balance_transactions (ACCESS EXCLUSIVE)"


def test_what_only_a_race_and_a_timeout_show_is_found_in_mid_race_and_keeps_both(
    tmp_path: Path, target: EmbeddedTarget
) -> None:
    matrix = run(tmp_path, target, BESIDE, "lock_timeout")
    assert not [c for c in matrix.cells if c.outcome is FaultOutcome.VIOLATED]
    assert matrix.drawn is not None
    assert "failed_means_refunded" in matrix.drawn.checks
    choices = Path(matrix.drawn.replay).read_text().split("\n\n")[1].splitlines()
    assert sum(line.startswith("original.!lock_timeout") for line in choices) == 1
    assert any(line.startswith("charger.") for line in choices)
    [message] = replayed(target, matrix.drawn.replay)
    assert str(message).startswith("a stranger holds")
