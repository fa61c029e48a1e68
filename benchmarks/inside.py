"""What holding workers inside functions costs: two workers, seven points each, one controller.

python benchmarks/inside.py [EXECUTIONS]

Every execution has its own rows, set up before and read after, as a campaign does; no checks. Beside the scheduled
executions run the same calls by the same two worker processes, one after the other, on the function without gates,
with BEGIN and COMMIT. Prints executions per second and the ratio.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import partial

import psycopg

from harness.catalog import read_catalog
from harness.driver.controller import Controller
from harness.driver.names import Names
from harness.driver.observer import Reading
from harness.driver.plan import Plan, Points
from harness.driver.pool import WorkerPool
from harness.gating import install_gates
from harness.model import Statement, StatementKind, Worker
from harness.points import points, with_commits
from harness.strategies.protocol import Strategy
from harness.strategies.registry import make
from harness.strategies.serial import Serial
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

TABLES = """
CREATE TABLE jobs (job text PRIMARY KEY, owner text, status text);
CREATE TABLE balances (owner text PRIMARY KEY, balance int);
CREATE TABLE ledger (owner text, job text, amount int, before int);
CREATE FUNCTION refund(p_job text, p_amount int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE v_owner text; v_status text; v_before int;
BEGIN
  SELECT owner, status INTO v_owner, v_status FROM jobs WHERE job = p_job;
  IF v_status = 'failed' THEN RETURN false; END IF;
  SELECT balance INTO v_before FROM balances WHERE owner = v_owner;
  UPDATE balances SET balance = balance + p_amount WHERE owner = v_owner;
  INSERT INTO ledger VALUES (v_owner, p_job, p_amount, v_before);
  UPDATE jobs SET status = 'failed' WHERE job = p_job;
  RETURN true;
END $$;
"""
SETUP = "INSERT INTO jobs VALUES ('{job}', '{user}', 'processing'); INSERT INTO balances VALUES ('{user}', 4000)"
STATE = Reading.of({"balances": "SELECT * FROM balances WHERE owner = $1::text"}, ["alice"])


def workers(number: int) -> tuple[Names, tuple[Worker, ...]]:
    names = Names(("alice",), ("j1",), number)
    call = Statement(name="refund", sql=f"SELECT refund('{names.values['j1']}', 1000)", opens=True)
    commit = Statement(name="refund:commit", sql="COMMIT", kind=StatementKind.COMMIT)
    return names, tuple(Worker(name=name, statements=(call, commit)) for name in ("w1", "w2"))


def rate(
    controller: Controller, count: int, first: int, strategy: Callable[[], Strategy], held: Points | None
) -> float:
    """Executions per second."""
    chosen = strategy()
    begin = time.perf_counter()
    for number in range(first, first + count):
        names, cast = workers(number)
        setup = SETUP.format(job=names.values["j1"], user=names.values["alice"])
        plan = Plan(number=number, names=names, workers=cast, setup=(("setup", setup),), state=STATE, points=held)
        if not chosen.start():
            chosen = strategy()
            chosen.start()
        controller.execute(plan, chosen)
    return count / (time.perf_counter() - begin)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with EmbeddedTarget() as target, Databases(target) as databases, WorkerPool() as pool:
        plain, gated = databases.clone(template := databases.template(())), databases.clone(template)
        for name in (plain, gated):
            with psycopg.connect(target.conninfo(name), autocommit=True) as conn:
                conn.execute(TABLES)
        with psycopg.connect(target.conninfo(gated), autocommit=True) as conn:
            catalog = read_catalog(conn)
            gates = install_gates(conn, catalog, ["SELECT refund('j', 1)"])
        held = points([with_commits(w, gates) for w in workers(0)[1]], gates, catalog, "read committed", {})
        print(f"{os.cpu_count()} processors, controller {os.getpid()}, two workers, {len(held.sites)} gates each")

        controller = Controller(pool, target.conninfo(plain), owned=True)
        serial = rate(controller, count, 0, lambda: Serial(("w1", "w2")), None)
        controller.close()
        print(f"no gate, serially, explicit COMMIT: {serial:6.0f}/s")

        controller = Controller(pool, target.conninfo(gated), owned=True, gated=True)
        for i, name in enumerate(("preemption_bounded", "auto", "pct", "random_walk")):
            fresh = partial(make, name, seed=0, limit=2000, workers=("w1", "w2"))
            made = rate(controller, count, 1 + i * count, fresh, held)
            print(f"{name:18} {made:6.0f}/s, {serial / made:.1f} times the serial calls")
        controller.close()
        print("processes of the workers: " + ", ".join(str(w.pid) for w in pool.take(2)))


if __name__ == "__main__":
    main()
