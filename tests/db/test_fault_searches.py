"""In mid-race with a search in place of draws: to its end, or to what needs fault and race together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import harness

SWEEPER = """\
CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, status text NOT NULL);
INSERT INTO accounts VALUES (1, 4000);
INSERT INTO jobs VALUES ('j1', 'processing');
CREATE PROCEDURE refund(p_job text) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_lock(7);
  UPDATE jobs SET status = 'processing_refund' WHERE id = p_job AND status <> 'failed';
  IF FOUND THEN
    COMMIT;
    UPDATE accounts SET balance = balance + 1000 WHERE id = 1;
    UPDATE jobs SET status = 'failed' WHERE id = p_job;
  END IF;
  COMMIT;
  PERFORM pg_advisory_unlock(7);
END $$;
CREATE FUNCTION sweep(p_job text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock(7) THEN
    RETURN false;
  END IF;
  UPDATE jobs SET status = 'failed' WHERE id = p_job AND status = 'processing_refund';
  RETURN FOUND;
END $$;
"""
"""A refund in two transactions, which a retry takes up again, and a sweeper that marks what "only lacks its mark":

T0  refund    processing -> processing_refund, and commits; its session's lock keeps the sweeper out
T1            its worker dies, and the lock goes with the session
T2  sweep     processing_refund -> failed
T3  refund_retry  finds the job failed, and pays nothing

It needs the crash, and the sweeper before the retry.
"""
PAID = "SELECT jobs.id FROM jobs, accounts WHERE status = 'failed' AND balance <> 5000 AND accounts.id = 1;\n"
SCENARIO = """\
version: 1
name: sweeper
install: [./sweeper.sql]
workers:
  refund: {statements: ["CALL refund('j1')"]}
  sweep: {statements: ["SELECT sweep('j1')"]}
orders: [exhaustive]
invariants: [paid.sql]
"""


def result_of(folder: Path) -> Any:
    [scenario] = json.loads((folder / "latest" / "results.json").read_text())["scenarios"]
    return scenario


@pytest.fixture
def sweeper(tmp_path: Path) -> Path:
    (tmp_path / "sweeper.sql").write_text(SWEEPER)
    (tmp_path / "paid.sql").write_text(PAID)
    path = tmp_path / "sweeper.yaml"
    path.write_text(SCENARIO)
    return path


def test_what_needs_fault_and_race_together_keeps_both(sweeper: Path, tmp_path: Path) -> None:
    done = harness("run", str(sweeper), "--faults", "crash", "--strategy", "exhaustive", "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (1, ""), done.stdout
    result = result_of(tmp_path / "out")
    assert not [c for c in result["faults"]["cells"] if c["outcome"] == "violated"]
    drawn = result["faults"]["drawn"]
    assert drawn["searched"]
    assert not drawn["exhausted"]
    assert "paid" in drawn["checks"]
    choices = Path(drawn["replay"]).read_text().split("\n\n")[1]
    assert choices.count("refund.kill |") == 1
    again = harness("replay", drawn["replay"], "--times", "2")
    assert again.returncode == 1, again.stderr
    assert "reproduced 2 of 2" in again.stdout


def test_without_faults_the_sweeper_is_right_in_every_order(sweeper: Path, tmp_path: Path) -> None:
    done = harness("run", str(sweeper), "--require", "exhausted", "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


TWO = """\
version: 1
name: two
install: [./two.sql]
workers:
  a: {statements: ["SELECT refund('j1')"]}
  b: {statements: ["SELECT refund('j1')"]}
orders: [exhaustive]
invariants: [paid.sql]
faults: [crash]
"""
ONCE = """\
CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
CREATE TABLE jobs (id text PRIMARY KEY, status text NOT NULL);
INSERT INTO accounts VALUES (1, 4000);
INSERT INTO jobs VALUES ('j1', 'processing');
CREATE FUNCTION refund(p_job text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  WITH failed AS (UPDATE jobs SET status = 'failed' WHERE id = p_job AND status = 'processing' RETURNING id)
  UPDATE accounts SET balance = balance + 1000 WHERE id = 1 AND EXISTS (SELECT FROM failed);
  RETURN FOUND;
END $$;
"""


def test_two_workers_are_searched_to_the_end_with_at_most_one_crash_at_any_point(tmp_path: Path) -> None:
    (tmp_path / "two.sql").write_text(ONCE)
    (tmp_path / "paid.sql").write_text(PAID)
    path = tmp_path / "two.yaml"
    path.write_text(TWO)
    run = ("run", str(path), "--strategy", "exhaustive", "--require", "exhausted")
    done = harness(*run, "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    result = result_of(tmp_path / "out")
    drawn = result["faults"]["drawn"]
    assert drawn["searched"]
    assert drawn["exhausted"]
    assert 0 < drawn["fired"]["crash"] < drawn["executed"]
    assert "of every order with at most one fault" in done.stdout
    assert "Every order with at most one of these faults, at any point, was executed" in result["meaning"]
    cut = harness(*run, "--schedules", "12", "--out", str(tmp_path / "cut"))
    assert cut.returncode == 3, cut.stdout
    assert not result_of(tmp_path / "cut")["faults"]["drawn"]["exhausted"]
