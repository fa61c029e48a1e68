"""The matrix on a real server: green on the shipped functions, red in the named cells of a broken one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from commands import harness

from harness.report.results import SCHEMA_FILE

ROOT = Path(__file__).parents[2]
FEW = ("--schedules", "10")
"""Executions in mid-race, where a test is about cells."""
SHIPPED = ROOT / "scenarios" / "fault_matrix.yaml"
PAYS = """\
-- Pays whoever asks: the status is set, and never looked at.
CREATE OR REPLACE FUNCTION refund_job_atomic(p_job_id text, p_user_id uuid, p_amount integer, p_error_message text)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE v jsonb;
BEGIN
  SELECT refund_balance_atomic(p_user_id, p_amount, 'refund', jsonb_build_object('job_id', p_job_id)) INTO v;
  UPDATE story_jobs SET status = 'failed', error = p_error_message WHERE job_id = p_job_id;
  RETURN jsonb_build_object('success', true, 'refunded', true, 'new_balance', v -> 'new_balance');
END $$;
"""


VARIANTS = ROOT / "sql" / "variants"
LEGACY = """\
version: 1
name: legacy
setup:
  - charge: {user: alice, job: j1, opening: 5000, amount: 1000}
workers:
  old:
    role: service_role
    statements: [{legacy_refund: {job: j1, user: alice, amount: 1000}}]
faults: [all]
expect: {violation: [one_refund_per_job, failed_means_refunded, refund_matches_charge, money_conserved]}
"""


def matrix_of(folder: Path) -> Any:
    results = json.loads((folder / "latest" / "results.json").read_text())
    jsonschema.validate(results, json.loads(SCHEMA_FILE.read_text()))
    [scenario] = results["scenarios"]
    return scenario["faults"]


def cells_in_header(variant: str) -> set[tuple[str, str]]:
    """(point, fault) of every cell that the header of a shipped variant calls red."""
    table = (VARIANTS / f"{variant}.sql").read_text().partition("-- | point ")[2]
    rows = [line.split("|")[1:3] for line in table.splitlines()[2:] if line.startswith("-- |")]
    return {(point.strip(), fault) for point, faults in rows for fault in faults.split()}


def _point(site: str) -> str:
    return "inside" if "_atomic:" in site else site


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """The shipped scenario, its own `faults` taken out, on a function that is not idempotent."""
    (tmp_path / "pays.sql").write_text(PAYS)
    text = SHIPPED.read_text().replace("name: fault_matrix", "name: planted\ninstall: [migrations, pays.sql]")
    path = tmp_path / "planted.yaml"
    path.write_text(text.split("faults:")[0])
    return path


def test_every_cell_of_the_shipped_functions_is_green_and_every_fault_struck(tmp_path: Path) -> None:
    done = harness("run", str(SHIPPED), *FEW, "--out", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    matrix = matrix_of(tmp_path)
    cells = matrix["cells"]
    assert not [c for c in cells if c["outcome"] == "violated"]
    assert all(c["fired"] == (c["outcome"] == "held") for c in cells)
    points = {(c["worker"], c["position"]): c["site"] for c in cells}
    inside = [p for p, site in points.items() if "_atomic:" in site]
    assert len(points) > len(inside) > 10
    fired = matrix["fired"]
    assert fired["crash"] == fired["terminate"] == fired["reset"] == fired["sigterm"] == len(points)
    # Between statements a server runs nothing, and in mid-statement no answer is due.
    assert fired["cancel"] == fired["run_on"] == fired["statement_timeout"] == len(inside)
    # Between snapshot and scan a statement has its locks already.
    assert fired["lock_timeout"] == len([p for p in inside if not points[p].endswith("~")])
    assert fired["idle_timeout"] == 2  # before the charge and before its COMMIT
    # The refund's own transaction answers once, with its commit.
    assert fired["lost_answer"] == fired["lost_ack"] == len(points) - len(inside) - 1
    # Its commit is no message of its own: it comes with the call.
    assert fired["lost_request"] == fired["torn_request"] == fired["black_hole"] == len(points) - len(inside) - 1
    refunded = [c for c in cells if c["worker"] == "original" and c["fired"]]
    assert all(c["after_retry"] == {"balance": [5000], "status": ["failed"]} for c in refunded)
    assert "faults of fault_matrix" in done.stdout
    for kind in ("faults", "coverage"):
        assert (tmp_path / "latest" / f"fault_matrix-{kind}.png").read_bytes().startswith(b"\x89PNG")


def test_a_refund_that_is_not_idempotent_is_red_where_its_effect_outlives_the_answer(
    planted: Path, tmp_path: Path
) -> None:
    names = "crash,lost_answer,run_on,lost_request,lost_ack,black_hole"
    done = harness("run", str(planted), "--faults", names, *FEW, "--out", str(tmp_path / "out"))
    assert done.returncode == 1
    cells = [c for c in matrix_of(tmp_path / "out")["cells"] if c["worker"] == "original"]
    red = {(c["site"], c["fault"]) for c in cells if c["outcome"] == "violated"}
    inside = {c["site"] for c in cells if "_atomic:" in c["site"]}
    # A client that lives on and takes a lost connection for a call that never came pays twice as well; and where the
    # call itself is late it pays after its retry.
    assert red == {
        ("refund:commit", "lost_answer"), ("refund:commit", "lost_ack"), ("refund", "black_hole"),
        *((site, "run_on") for site in inside),
    }  # fmt: skip
    for cell in cells:
        if cell["outcome"] == "violated":
            assert "one_refund_per_job" in cell["checks"]
            assert cell["after_retry"]["balance"] == [5000 if cell["fault"] == "black_hole" else 6000]  # it pays later
    assert "again harness replay" in done.stdout
    # Each world of a worker's death at a gate is saved as what it was, and is carried out again exactly.
    for fault in ("lost_answer", "run_on", "lost_ack", "black_hole"):
        saved = next(c["replay"] for c in cells if c["fault"] == fault and c["replay"])
        again = harness("replay", saved, "--times", "3")
        assert again.returncode == 1
        assert "reproduced 3 of 3" in again.stdout
        assert "original_retry" in again.stdout
    refused = harness("replay", saved, "--as-scenario", str(tmp_path / "kept.yaml"))
    assert refused.returncode == 2
    assert "key `faults`" in refused.stderr


def test_in_mid_race_faults_strike_the_shipped_functions_and_the_same_seed_draws_the_same(tmp_path: Path) -> None:
    drawn = []
    for fresh in (False, True):
        faults = "run_on,lost_answer,black_hole,lock_timeout"
        out = ("--out", str(tmp_path / str(fresh)))
        done = harness("run", str(SHIPPED), "--faults", faults, "--schedules", "60", *out, fresh=fresh)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        drawn.append(matrix_of(tmp_path / str(fresh))["drawn"])
    assert drawn[0] == drawn[1]
    assert drawn[0]["executed"] == 60
    assert all(drawn[0]["fired"].values())
    assert not drawn[0]["checks"]
    # Each of its 22 pairs of fault and point is aimed at before any is a second time, and before the third of any.
    places = [p["fired"] for p in drawn[0]["places"] if p["worker"] == "original"]
    assert max(places) <= 2
    assert len(places) > 15
    assert "in mid-race, 60 executions in drawn orders" in done.stdout


def test_a_race_that_no_cell_shows_is_found_in_mid_race_and_loses_the_fault_that_it_does_not_need(
    tmp_path: Path,
) -> None:
    """Without its row lock the function is right whenever its workers come one after the other, struck or not."""
    path = tmp_path / "unlocked.yaml"
    text = (ROOT / "scenarios" / "unlocked_inside.yaml").read_text().split("orders:")[0]
    serially = "orders:\n  - [original.refund, retry.refund]\n"
    path.write_text(f"{text}{serially}faults: [crash, lost_answer]\n")
    done = harness("run", str(path), "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (1, ""), done.stdout
    matrix = matrix_of(tmp_path / "out")
    assert not [c for c in matrix["cells"] if c["outcome"] == "violated"]
    assert "one_refund_per_job" in matrix["drawn"]["checks"]
    saved = matrix["drawn"]["replay"]
    assert "kill" not in Path(saved).read_text().split("\n\n")[1]
    again = harness("replay", saved, "--times", "3")
    assert again.returncode == 1, again.stderr
    assert "reproduced 3 of 3" in again.stdout


def test_the_old_workers_three_calls_are_red_between_its_refund_and_its_mark(tmp_path: Path) -> None:
    """The bug that a retry after a fault brings about without any concurrency; documented, so the run passes."""
    path = tmp_path / "legacy.yaml"
    path.write_text(LEGACY)
    done = harness("run", str(path), *FEW, "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    matrix = matrix_of(tmp_path / "out")
    red = {(_point(c["site"]), c["fault"]) for c in matrix["cells"] if c["outcome"] == "violated"}
    assert red == cells_in_header("legacy_worker")
    late = {c["site"] for c in matrix["cells"] if c["outcome"] == "violated" and c["after_retry"]["balance"] != [6000]}
    assert late == {"refund"}  # what comes out of a black hole comes after the retry


@pytest.mark.parametrize("name", ["as_described", "unlocked"])
def test_the_other_variants_are_green_in_every_cell_as_their_headers_say(name: str, tmp_path: Path) -> None:
    assert not cells_in_header(name)
    assert "Red in the fault matrix: no cell." in (VARIANTS / f"{name}.sql").read_text()
    path = tmp_path / "variant.yaml"
    install = f"name: variant\ninstall: [migrations, variants/{name}.sql]\norders: [[original.refund]]"
    path.write_text(SHIPPED.read_text().replace("name: fault_matrix", install))
    harness("run", str(path), "--faults", "crash,run_on,lost_answer,cancel", *FEW, "--out", str(tmp_path / "out"))
    cells = matrix_of(tmp_path / "out")["cells"]
    assert sum(c["fired"] for c in cells) > 40
    assert not [c for c in cells if c["outcome"] == "violated"]


def test_an_unknown_fault_is_bad_usage() -> None:
    done = harness("run", str(SHIPPED), "--faults", "crush")
    assert done.returncode == 2
    assert done.stderr == "harness: --faults: unknown 'crush'; did you mean 'crash'?\n"


WAITS = """\
version: 1
name: waits
setup:
  - charge: {user: alice, job: j1, opening: 5000, amount: 1000}
workers:
  a: {role: service_role, statements: [{refund: {job: j1, user: alice, amount: 1000}}]}
  b: {role: service_role, transaction: [{refund: {job: j1, user: alice, amount: 1000}}]}
orders:
  - follow: [b.begin, b.refund, "b.refund_job_atomic:19", "b.refund_job_atomic:19~", a.refund, "a.!FAULT"]
"""


@pytest.mark.parametrize("fault", ["run_on", "cancel", "reset", "terminate"])
def test_a_fault_at_a_gate_while_another_worker_holds_the_lock_leaves_one_refund(fault: str, tmp_path: Path) -> None:
    """A server that runs on meets the other worker's lock: what it does then is for nobody to wait for."""
    path = tmp_path / "waits.yaml"
    path.write_text(WAITS.replace("FAULT", fault))
    done = harness("run", str(path), "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    [saved] = (tmp_path / "out" / "latest").glob("*.history.jsonl")
    events = [json.loads(line) for line in saved.read_text().splitlines()]
    struck = [e for e in events if e.get("worker") == "a" and e["kind"] in ("crash", "fault")]
    assert len(struck) == 1
    assert "nothing was struck" not in struck[0]["message"]
    [balance] = events[-1]["ledger"]["user_balances"]
    assert balance["balance"] == 5000


def test_in_mid_race_an_answer_is_lost_also_of_a_call_that_has_to_wait(tmp_path: Path) -> None:
    """SIGKILL then strikes it while it waits. Two transactions want the same job's row, so that every second waits."""
    path = tmp_path / "waits.yaml"
    text = (ROOT / "scenarios" / "double_workers.yaml").read_text().split("orders:")[0]
    orders = "orders:\n  - [original.begin, original.refund, retry.begin, retry.refund: blocked]\n"
    path.write_text(f"{text}{orders}faults: [lost_answer]\n")
    drawn = []
    for fresh in (False, True):
        done = harness("run", str(path), "--schedules", "36", "--out", str(tmp_path / str(fresh)), fresh=fresh)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        drawn.append(matrix_of(tmp_path / str(fresh))["drawn"])
    assert drawn[0] == drawn[1]
    assert drawn[0]["fired"] == {"lost_answer": drawn[0]["executed"]}
    assert {(p["worker"], p["site"]) for p in drawn[0]["places"]} == {
        (worker, site) for worker in ("original", "retry") for site in ("begin", "refund", "commit")
    }
