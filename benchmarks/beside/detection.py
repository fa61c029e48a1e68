"""How soon what is broken shows: every shipped mutant, and two double refunds that other programs can be given as well.

The mutants run under `harness mutants`: its own search, worker processes released together, and threads at a barrier.
The two races are given to the harness, to pgbench (two clients that go through the same jobs), to threads at a barrier
and to Frontrun. Seconds are counted from when the sessions are there.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from inside import STATE

from beside.figures import Figure, Part
from beside.peers import frontrun, pgbench
from beside.races import CALL, DOUBLES, JOB, LEGACY, TABLES
from harness.catalog import read_catalog
from harness.driver.controller import Controller
from harness.driver.names import Names
from harness.driver.plan import Plan
from harness.driver.pool import WorkerPool
from harness.gating import install_gates
from harness.model import Statement, StatementKind, Worker
from harness.points import points, with_commits
from harness.strategies.protocol import Strategy
from harness.strategies.registry import make
from harness.strategies.serial import Serial
from harness.targets.databases import Databases
from harness.targets.embedded import EmbeddedTarget

Found = tuple[int, float] | None
"""(schedules or tries until the race first showed, seconds); None: it never did."""

TRIES = 2000
_NAMES = {"client": "between a client's statements", "function": "inside a function"}
_STRATEGIES = {
    "auto": "the harness",
    "free_running": "processes released together",
    "barrier_threads": "threads at a barrier",
}


def measure(file: Path | None, *, mutants: bool) -> Part:
    """``file``: the JSON of a run of `harness mutants` with `_STRATEGIES`; None: run it now, which takes minutes."""
    figures = [*(_mutants(file) if mutants else ()), *_races()]
    absent = [name for name, there in (("pgbench", pgbench()), ("Frontrun", frontrun())) if there is None]
    return Part(title="Time to first detection", figures=tuple(figures), absent=tuple(absent))


def _mutants(file: Path | None) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        if file is None:
            file = Path(folder) / "mutants.json"
            chosen = [word for name in _STRATEGIES for word in ("--strategy", name)]
            command = [sys.executable, "-m", "harness", "mutants", *chosen, "--json", str(file), "--out", folder, "-q"]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=False)  # 1: a baseline has missed some
        run = json.loads(file.read_text())
    figures = []
    for name, said in _STRATEGIES.items():
        trials = [t for m in run["mutants"] for t in m["trials"] if t["strategy"] == name]
        killed = [t for t in trials if t["killed"]]
        ours = name == "auto"
        figures += [
            Figure(name=f"mutants missed by {said}", value=len(trials) - len(killed), unit=f"of {len(trials)}",
                   goal=0 if ours else None, most=True),
            Figure(name=f"schedules until the first detection, {said}", value=median(t["schedules"] for t in killed),
                   unit="median", goal=5 if ours else None, most=True),
            Figure(name=f"seconds until the first detection, {said}", value=median(t["seconds"] for t in killed),
                   unit="s, median", goal=0.1 if ours else None, most=True),
        ]  # fmt: skip
    return figures


def _races() -> list[Figure]:
    figures = []
    with EmbeddedTarget() as target, Databases(target) as databases, WorkerPool() as pool:
        for race, said in _NAMES.items():

            def fresh() -> str:
                conninfo = target.conninfo(databases.clone(databases.template(())))
                with psycopg.connect(conninfo, autocommit=True) as connection:
                    connection.execute(TABLES)
                return conninfo

            sides = {
                "the harness": _by_harness(race, fresh(), pool),
                "threads at a barrier": _by_threads(race, fresh()),
            }
            if pgbench() is not None:
                sides["pgbench"] = _by_pgbench(race, fresh())
            if frontrun() is not None:
                sides["Frontrun"] = _by_frontrun(race, fresh())
            for side, found in sides.items():
                note = f"in {found[1]:.3f} s" if found else "never showed"
                figures.append(Figure(name=f"double refund {said}: tries of {side}", value=found and found[0],
                                      unit="tries", note=note))  # fmt: skip
        pool.disconnect()
    return figures


def _statements(race: str, number: int) -> tuple[Statement, ...]:
    if race == "function":
        return (Statement(name="refund", sql=CALL.format(n=number)),)
    look, *acts = (sql.format(n=number) for sql in LEGACY)
    return (
        Statement(name="look", sql=look, continue_if={"todo": True}),
        *(Statement(name=f"act{i}", sql=sql) for i, sql in enumerate(acts, 1)),
    )


def _by_harness(race: str, conninfo: str, pool: WorkerPool) -> Found:
    with psycopg.connect(conninfo, autocommit=True) as connection, ExitStack() as last:
        catalog = read_catalog(connection)
        held = None
        if race == "function":
            gates = install_gates(connection, catalog, [CALL])
            cast = with_commits(Worker(name="w", statements=_statements(race, 0)), gates)
            held = points([_named(cast, w) for w in ("w1", "w2")], gates, catalog, "read committed", {})
        controller = Controller(pool, conninfo, owned=True, gated=held is not None)
        last.callback(pool.disconnect)
        last.callback(controller.close)

        def execute(number: int, strategy: Strategy) -> None:
            statements = _statements(race, number)
            if held is not None:
                commit = Statement(name="refund:commit", sql="COMMIT", kind=StatementKind.COMMIT)
                statements = (replace(statements[0], opens=True), commit)
            cast = (Worker(name="w1", statements=statements), Worker(name="w2", statements=statements))
            plan = Plan(
                number=number, names=Names(("alice",), (), number), workers=cast,
                setup=(("setup", JOB.format(n=number)),), state=STATE, points=held,
            )  # fmt: skip
            controller.execute(plan, strategy)

        execute(0, Serial(("w1", "w2")))  # the sessions are there
        strategy = make("auto", seed=0, limit=TRIES, workers=("w1", "w2"))
        begin = time.perf_counter()
        for number in range(1, TRIES + 1):
            if not strategy.start():
                break
            execute(number, strategy)
            if connection.execute(DOUBLES.format(n=number).encode()).fetchone() is not None:
                return number, time.perf_counter() - begin
    return None


def _named(worker: Worker, name: str) -> Worker:
    return Worker(name=name, statements=worker.statements)


def _by_threads(race: str, conninfo: str) -> Found:
    """The homemade test: two threads, a barrier, and a look at the ledger after each round."""
    barrier = threading.Barrier(2)
    with ExitStack() as stack:
        first, second, look = (
            stack.enter_context(psycopg.connect(conninfo, autocommit=True)) for _ in ("first", "second", "look")
        )

        def act(connection: psycopg.Connection[Any], number: int) -> None:
            barrier.wait()
            for statement in _statements(race, number):
                cursor = connection.execute(statement.sql.encode())
                if statement.continue_if is not None and cursor.fetchone() != (True,):
                    return

        begin = time.perf_counter()
        for number in range(1, TRIES + 1):
            look.execute(JOB.format(n=number).encode())
            threads = [threading.Thread(target=act, args=(c, number)) for c in (first, second)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if look.execute(DOUBLES.format(n=number).encode()).fetchone() is not None:
                return number, time.perf_counter() - begin
    return None


def _by_pgbench(race: str, conninfo: str) -> Found:
    """Two clients that go through the same jobs, side by side; the ledger tells the first that was refunded twice."""
    with psycopg.connect(conninfo, autocommit=True) as connection, tempfile.TemporaryDirectory() as folder:
        for number in range(1, TRIES + 1):
            connection.execute(JOB.format(n=number).encode())
        script = Path(folder) / "race.sql"
        script.write_text("\\set n :n + 1\n" + _pgbench(race))
        command = [str(pgbench()), "-n", "-c", "2", "-j", "2", "-t", str(TRIES), "-D", "n=0", "-f", str(script)]
        done = subprocess.run([*command, "-d", conninfo], text=True, capture_output=True, check=False)
        took = re.search(r"^tps = ([\d.]+)", done.stdout, re.M)
        if took is None:
            raise SystemExit(f"pgbench: {done.stderr or done.stdout}")
        doubled = connection.execute(
            "SELECT min(substr(job, 2)::int) FROM (SELECT job FROM ledger GROUP BY job HAVING count(*) > 1) d"
        ).fetchone()
    number = doubled[0] if doubled else None
    return None if number is None else (number, number * 2 / float(took[1]))


def _pgbench(race: str) -> str:
    if race == "function":
        return CALL.replace("'j{n}'", "'j' || :n") + ";\n"
    look, *acts = (re.sub(r"'([ju])\{n\}'", r"'\1' || :n", sql) for sql in LEGACY)
    look = look.replace("status = 'processing' AS todo", "(status = 'processing')::int AS todo")
    return f"{look} \\gset\n\\if :todo\n" + "".join(f"{act};\n" for act in acts) + "\\endif\n"


def _by_frontrun(race: str, conninfo: str) -> Found:
    there = str(frontrun())
    command = [sys.executable, "-m", "frontrun.cli", sys.executable, "-m", "beside.frontrun_race", conninfo, race]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], env=os.environ | {"PYTHONPATH": there}, text=True, capture_output=True,
        check=False,
    )  # fmt: skip
    told = re.search(r"^(not )?found (\d+) ([\d.]+)", done.stdout, re.M)
    if told is None:
        raise SystemExit(f"Frontrun: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    return None if told[1] else (int(told[2]), float(told[3]))
