"""The server crashes in mid-refund: the shipped functions stand it, and what does not is found."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from commands import harness
from servers import PATIENCE_S, servers_of, within
from test_killed_runs import Run

from harness.campaign import Options
from harness.crash import crashing
from harness.driver.pool import WorkerPool
from harness.matrix.retry import retried
from harness.matrix.strike import Strike, strike
from harness.matrix.walk import Walk
from harness.model import Action, EventKind, Moment, SessionState
from harness.replay import read_saved, replay
from harness.scenario import load_scenario
from harness.stage import Stage
from harness.strategies.faulted import Alone, Faulted
from harness.strategies.replay import Replay
from harness.targets.account import server_account
from harness.targets.embedded import EmbeddedTarget
from harness.targets.places import runs_place
from harness.targets.runfolder import sweep

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "scenarios" / "fault_matrix.yaml"
ACTIONS = pytest.mark.parametrize("action", [Action.BACKEND_CRASH, Action.SERVER_CRASH])

HURRIES = """\
-- The refund is acknowledged before it is on the disk: quicker, until the server crashes.
CREATE FUNCTION hurry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  RETURN NULL;
END $$;
CREATE TRIGGER hurry AFTER INSERT ON balance_transactions
FOR EACH ROW WHEN (NEW.type = 'refund') EXECUTE FUNCTION hurry();
"""
FORGETS = """\
-- A ledger that writes no WAL: quicker, and empty after a crash.
ALTER TABLE balance_transactions SET UNLOGGED;
"""
PAYS = """\
-- Pays whoever asks: the status is set, and never looked at.
CREATE OR REPLACE FUNCTION refund_job_atomic(p_job_id text, p_user_id uuid, p_amount integer, p_error_message text)
RETURNS jsonb LANGUAGE sql SECURITY DEFINER SET search_path = public AS $$
  UPDATE story_jobs SET status = 'failed' WHERE job_id = p_job_id;
  SELECT jsonb_build_object('success', true, 'refunded', true)
    || refund_balance_atomic(p_user_id, p_amount, 'refund', jsonb_build_object('job_id', p_job_id));
$$;
"""
COMMITS = """\
CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL);
CREATE PROCEDURE pay() LANGUAGE plpgsql AS $$
BEGIN
  UPDATE account SET balance = balance + 1;
  COMMIT;
  UPDATE account SET balance = balance + 10;
END $$;
"""
PROCEDURE = """\
version: 1
name: procedure
install: [commits.sql]
workers:
  original: {statements: ["CALL pay()"]}
setup: [{sql: "TRUNCATE account; INSERT INTO account VALUES (1, 4000)"}]
"""
MARKS = """\
version: 1
name: marks
install: [marks.sql]
workers:
  payer: {statements: ["UPDATE account SET balance = balance + 1000"]}
setup: [{sql: "TRUNCATE account; INSERT INTO account VALUES (1, 4000)"}]
"""


@pytest.fixture(scope="module", autouse=True)
def in_memory() -> Iterator[None]:
    """SIGKILL leaves the kernel's cache alone, so these crashes are the same in memory, and disks are slow."""
    with pytest.MonkeyPatch.context() as patch:
        place = str(runs_place())
        patch.setattr(tempfile, "tempdir", place)
        patch.setenv("TMPDIR", place)
        yield


@contextmanager
def struck_stage(path: Path, target: EmbeddedTarget, pool: WorkerPool) -> Iterator[tuple[Stage, list[str]]]:
    """A stage on which ``original`` is struck and retried; and the steps that it takes alone."""
    scenario = load_scenario(path)
    with crashing(scenario, target, pool) as stage:
        stage.play(retried(scenario, "original"))
        alone = Alone("original")
        alone.start()
        stage.execute(alone, stage.next_number(), seed=0)
        yield stage, alone.steps


def crashed(stage: Stage, position: int, action: Action) -> Strike:
    """One execution in which the server crashes there, which it does."""
    struck = strike(stage, Faulted("original", position, action), Options())
    assert struck.fired
    assert [d.choice.action for d in struck.execution.schedule.decisions].count(action) == 1
    return struck


def refunds(struck: Strike) -> int:
    return sum(row["type"] == "refund" for row in struck.execution.history.closing["balance_transactions"])


@pytest.fixture(scope="module")
def shipped(target: EmbeddedTarget, pool: WorkerPool) -> Iterator[tuple[Stage, list[str]]]:
    with struck_stage(SHIPPED, target, pool) as made:
        yield made


@ACTIONS
def test_a_call_in_hand_is_rolled_back_and_the_retry_refunds(shipped: tuple[Stage, list[str]], action: Action) -> None:
    stage, steps = shipped
    inside = next(i for i, step in enumerate(steps) if step.startswith("refund_balance_atomic:"))
    struck = crashed(stage, inside, action)
    assert not struck.violations
    assert refunds(struck) == 1
    events = struck.execution.history.events
    first = [e for e in events if e.worker == "original" and e.kind is not EventKind.STEP]
    assert [e.kind for e in first] == [EventKind.INVOKE, EventKind.CRASH, EventKind.FAIL]
    assert first[1].ledger == struck.execution.history.opening
    # The others had not begun: they know of nothing, and are held at their gates as ever.
    for name in ("original_retry", "charger"):
        mine = [e.kind for e in events if e.worker == name]
        assert EventKind.STEP in mine
        assert not {EventKind.FAIL, EventKind.INFO, EventKind.CRASH} & set(mine)


@ACTIONS
def test_an_acknowledged_refund_is_there_and_the_retry_is_refused(
    shipped: tuple[Stage, list[str]], action: Action
) -> None:
    stage, steps = shipped
    struck = crashed(stage, len(steps), action)
    assert not struck.violations
    assert refunds(struck) == 1
    events = struck.execution.history.events
    assert [e.kind for e in events if e.worker == "original"][-2:] == [EventKind.OK, EventKind.CRASH]
    [answer] = [e.answer for e in events if e.worker == "original_retry" and e.answer]
    assert "Job already failed and refunded" in str(answer)


@ACTIONS
def test_who_looks_sees_that_nobody_holds_anything_after_it(shipped: tuple[Stage, list[str]], action: Action) -> None:
    """What has locked a row, and written nothing down: after the crash its number may never have been given out."""
    stage, steps = shipped
    locked = next(i for i, step in enumerate(steps) if step.startswith("refund_job_atomic:") and step.endswith("~")) + 1
    struck = strike(stage, Faulted("original", locked, action), Options())
    moments: list[Moment] = []
    stage.replay(Replay(struck.execution.schedule, exact=True), seed=0, moments=moments)
    turn = next(e.turn for e in struck.execution.history.events if e.kind is EventKind.CRASH)
    before, after = (next(s for s in moments[t].sessions if s.worker == "original") for t in (turn - 1, turn))
    assert before.locks
    assert (after.state, after.locks) == (SessionState.GONE, ())
    assert any(s.locks for m in moments[turn:] for s in m.sessions)


def test_before_its_commit_a_refund_is_not_there(shipped: tuple[Stage, list[str]]) -> None:
    stage, steps = shipped
    assert steps[-1] == "refund:commit"
    struck = crashed(stage, len(steps) - 1, Action.SERVER_CRASH)
    assert not struck.violations
    assert refunds(struck) == 1
    [answer] = [e.answer for e in struck.execution.history.events if e.worker == "original_retry" and e.answer]
    assert "'refunded': True" in str(answer)


def test_a_worker_that_has_no_run_alone_is_not_struck(shipped: tuple[Stage, list[str]]) -> None:
    stage, _ = shipped
    scenario = load_scenario(SHIPPED)
    original, charger = scenario.workers
    waiting = replace(
        scenario, workers=(replace(original, after=(charger.name,)), replace(charger, after=("original",)))
    )
    walk = Walk(waiting, stage, ("server_crash",), Options(), "", lambda *_: None)
    assert walk.run().cells == ()
    stage.play(retried(scenario, "original"))


@pytest.mark.parametrize(
    ("bug", "action", "checks"),
    [
        (HURRIES, Action.BACKEND_CRASH, {"durability", "acknowledged_refunds", "append_only", "status_forward"}),
        (HURRIES, Action.SERVER_CRASH, {"durability", "acknowledged_refunds", "append_only", "status_forward"}),
        (FORGETS, Action.SERVER_CRASH, {"durability", "append_only"}),
        (PAYS, Action.SERVER_CRASH, {"one_refund_per_job", "refund_matches_charge"}),
    ],
    ids=["hurries, backend", "hurries, server", "forgets", "pays"],
)
def test_what_does_not_stand_a_crash_is_found(
    bug: str, action: Action, checks: set[str], target: EmbeddedTarget, pool: WorkerPool, tmp_path: Path
) -> None:
    (tmp_path / "bug.sql").write_text(bug)
    text = SHIPPED.read_text().replace("name: fault_matrix", "name: planted\ninstall: [migrations, bug.sql]")
    (tmp_path / "planted.yaml").write_text(text)
    with struck_stage(tmp_path / "planted.yaml", target, pool) as (stage, steps):
        struck = crashed(stage, len(steps), action)
        found = {v.check for v in struck.violations}
        assert checks <= found
        assert ("durability" in checks) == ("durability" in found)


def test_what_a_procedure_has_committed_in_mid_statement_is_there(
    target: EmbeddedTarget, pool: WorkerPool, tmp_path: Path
) -> None:
    (tmp_path / "commits.sql").write_text(COMMITS)
    (tmp_path / "procedure.yaml").write_text(PROCEDURE)
    with struck_stage(tmp_path / "procedure.yaml", target, pool) as (stage, steps):
        struck = crashed(stage, steps.index("pay:5"), Action.SERVER_CRASH)
    # Nobody was told of that commit: it is no loss, and of the whole statement nothing certain is known.
    assert "durability" not in {v.check for v in struck.violations}
    [crash] = [e for e in struck.execution.history.events if e.kind is EventKind.CRASH]
    assert crash.ledger == {"account": ({"id": 1, "balance": 4001},)}
    assert [e.step for e in struck.execution.history.events if e.kind is EventKind.INFO] == ["call"]
    assert struck.execution.history.closing == {"account": ({"id": 1, "balance": 4012},)}


def test_the_matrix_of_a_table_that_recovery_empties_is_red_and_replays(target: EmbeddedTarget, tmp_path: Path) -> None:
    (tmp_path / "marks.sql").write_text("CREATE UNLOGGED TABLE account (id int PRIMARY KEY, balance int NOT NULL);")
    (tmp_path / "marks.yaml").write_text(MARKS)
    done = harness("run", str(tmp_path / "marks.yaml"), "--faults", "server_crash", "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (1, ""), done.stdout
    [scenario] = json.loads((tmp_path / "out" / "latest" / "results.json").read_text())["scenarios"]
    cells = scenario["faults"]["cells"]
    assert cells[-1]["site"] == ""
    assert all(c["fired"] and "durability" in c["checks"] for c in cells)
    assert "after its last answer" in done.stdout
    saved = read_saved(Path(cells[-1]["replay"]))
    again = replay(saved, load_scenario(tmp_path / "marks.yaml"), target, times=1)
    assert (again.reproduced, again.adapted) == (1, False)


def test_on_a_server_of_somebody_elses_it_is_refused(target: EmbeddedTarget) -> None:
    dsn = f"postgresql://postgres@/postgres?host={target.folder}"
    done = harness("run", str(SHIPPED), "--faults", "crash,server_crash", "--target", dsn)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == "harness: --faults: server_crash kills a server of its own: that goes with --target embedded only\n"
    )


def test_a_run_that_is_killed_among_crashes_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness", "run", str(SHIPPED), "--faults", "server_crash", "--out", str(tmp_path)]
    run = Run(command)
    folders: set[Path] = set()
    while len(folders) < 2:  # the ordinary server's and the durable one's
        assert run.process.poll() is None, run.process.communicate()
        run.watch(0.1)
        folders |= run.run_folders()
    run.watch(0.5)
    run.process.kill()
    run.process.communicate()
    run.await_nothing_left()
    assert within(PATIENCE_S, lambda: not any(servers_of(folder) for folder in folders))
    place = runs_place()
    assert {folder.parent for folder in folders} == {place}
    sweep(place, server_account())
    assert [folder for folder in folders if folder.exists()] == []
