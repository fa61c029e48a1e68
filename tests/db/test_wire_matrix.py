"""Faults of the wire by way of the command line: a late call found in mid-race, and exact orders in which the wire
fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from commands import harness

LATE = """\
version: 1
name: late
install: [migrations, variants/unlocked.sql]
setup:
  - charge: {user: alice, job: j1, opening: 5000, amount: 1000}
workers:
  original: {role: service_role, statements: [{refund: {job: j1, user: alice, amount: 1000}}]}
  charger: {role: service_role, statements: [{charge: {job: j2, user: alice, amount: 300}}]}
faults: [black_hole]
"""
ORDERS = """\
version: 1
name: wire
setup:
  - charge: {user: alice, job: j1, opening: 5000, amount: 1000}
workers:
  a: {role: service_role, transaction: [{refund: {job: j1, user: alice, amount: 1000}}]}
  b: {role: service_role, transaction: [{refund: {job: j1, user: alice, amount: 1000}}]}
orders:
  - order: [a.begin, a.refund, b.begin, b.refund: blocked, a.commit: lost_ack, b.commit]
    expect: {b: {refunded: false}}
  - order: [a.begin, a.refund, b.begin, b.refund: blocked, a.commit: torn_request, b.commit]
    expect: {b: {refunded: true}}
  - order: [a.begin, a.refund, a.commit: black_hole, b.begin, b.refund: blocked, a.!heal, b.commit]
    expect: {b: {refunded: false}}
  - order: [a.begin, a.refund, a.commit: black_hole, b.begin, b.refund: blocked, a.!terminate, b.commit]
    expect: {b: {refunded: true}}
"""


def result_of(folder: Path) -> Any:
    [scenario] = json.loads((folder / "latest" / "results.json").read_text())["scenarios"]
    return scenario


def test_a_call_that_comes_out_of_a_black_hole_in_the_midst_of_its_retry_is_found_in_mid_race(tmp_path: Path) -> None:
    """The function has no row lock. Its calls are right one after the other, the late one after its retry as well: the
    matrix is green, and only where the hole ends between the retry's look and its payment is the job paid twice."""
    path = tmp_path / "late.yaml"
    path.write_text(LATE)
    done = harness("run", str(path), "--schedules", "30", "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (1, ""), done.stdout
    faults = result_of(tmp_path / "out")["faults"]
    assert {c["outcome"] for c in faults["cells"]} == {"held", "nothing"}
    assert "one_refund_per_job" in faults["drawn"]["checks"]
    text = Path(faults["drawn"]["replay"]).read_text()
    assert "without: charger\n" in text
    choices = [line.split(" |")[0] for line in text.split("\n\n")[1].splitlines()]
    assert choices[0] == "original.refund!black_hole"
    assert choices.count("original.!heal") == 1
    assert choices[-1] == "original_retry.refund:commit"
    again = harness("replay", faults["drawn"]["replay"], "--times", "3")
    assert again.returncode == 1, again.stderr
    assert "reproduced 3 of 3" in again.stdout


def test_exact_orders_in_which_the_wire_fails(tmp_path: Path) -> None:
    """What the second worker is told says which world it was: the commit took effect, or never came."""
    path = tmp_path / "wire.yaml"
    path.write_text(ORDERS)
    done = harness("run", str(path), "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    path.write_text(ORDERS.replace("lost_ack", "lost_request"))
    assert harness("run", str(path), "--out", str(tmp_path / "out")).returncode == 1
