"""Of so many refunds, each followed at once by a crash of the server, how many are there, and how often after a retry?

python benchmarks/server_crash.py [COUNT]

Four moments: the refund's COMMIT was acknowledged; it was acknowledged, but with synchronous_commit = off; the COMMIT
was still to come; it was sent, and nobody waited for the answer. Two crashes: SIGKILL of the backend, and of the
postmaster with all its processes.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from harness.db import connect
from harness.scenario import load_scenario
from harness.targets.databases import Databases
from harness.targets.durable import DurableTarget

SCENARIO = Path(__file__).parents[1] / "scenarios" / "fault_matrix.yaml"
USER = "00000000-0000-0000-0000-000000000001"
CHARGE = "SELECT deduct_balance_atomic(%s, 10, 'charge', jsonb_build_object('job_id', %s::text))"
JOB = "INSERT INTO story_jobs (job_id, user_id, status) VALUES (%s, %s, 'processing')"
REFUND = "SELECT refund_job_atomic(%s, %s, 10, 'generation failed')"
ROWS = "SELECT count(*) FROM balance_transactions WHERE type = 'refund' AND metadata ->> 'job_id' = %s"
Crash = Callable[[DurableTarget, int], None]
CRASHES: dict[str, Crash] = {
    "backend": lambda server, backend: server.crash_backend(backend),
    "server": lambda server, _: server.crash_server(),
}


def acknowledged(conn: psycopg.Connection[Any], job: str) -> None:
    unfinished(conn, job)
    conn.execute("COMMIT")


def hurried(conn: psycopg.Connection[Any], job: str) -> None:
    conn.execute("SET synchronous_commit = off")
    acknowledged(conn, job)


def unfinished(conn: psycopg.Connection[Any], job: str) -> None:
    conn.execute("BEGIN")
    conn.execute(REFUND, [job, USER])


def under_way(conn: psycopg.Connection[Any], job: str) -> None:
    unfinished(conn, job)
    conn.pgconn.send_query(b"COMMIT")
    conn.pgconn.flush()


MOMENTS = {
    "acknowledged": acknowledged,
    "acknowledged, synchronous_commit off": hurried,
    "before its COMMIT": unfinished,
    "COMMIT sent, answer not awaited": under_way,
}


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with DurableTarget() as server, Databases(server) as databases:
        name = databases.clone(databases.template(load_scenario(SCENARIO).install))
        conninfo = server.conninfo(name)
        with connect(conninfo, application_name="benchmark") as conn:
            conn.execute("INSERT INTO user_balances (user_id, balance) VALUES (%s, 1000000)", [USER])
        print(f"PostgreSQL {server.server_version}, data in {server.folder.parent}, {count} refunds each")
        for moment, refund in MOMENTS.items():
            for crash, strike in CRASHES.items():
                begin = time.perf_counter()
                there, after = run(server, conninfo, f"{crash} {moment}", count, refund, strike)
                seconds = (time.perf_counter() - begin) / count
                print(
                    f"{moment:36} {crash:8} there {there[1]:3} of {count}, twice {there[2]}; after the retry once "
                    f"{after[1]:3}, twice {after[2]}, never {after[0]}; {seconds:.2f} s each",
                    flush=True,
                )


def run(
    server: DurableTarget,
    conninfo: str,
    name: str,
    count: int,
    refund: Callable[[psycopg.Connection[Any], str], None],
    strike: Crash,
) -> tuple[Counter[int], Counter[int]]:
    """How many jobs have how many refund rows: after the crash, and after a retry behind it."""
    there: Counter[int] = Counter()
    after: Counter[int] = Counter()
    for i in range(count):
        job = f"{name} {i}"
        conn = connect(conninfo, application_name="benchmark")
        conn.execute(JOB, [job, USER])
        conn.execute(CHARGE, [USER, job])
        refund(conn, job)
        strike(server, conn.info.backend_pid)
        conn.close()
        with connect(conninfo, application_name="benchmark") as conn:
            there[rows(conn, job)] += 1
            conn.execute(REFUND, [job, USER])
            after[rows(conn, job)] += 1
    return there, after


def rows(conn: psycopg.Connection[Any], job: str) -> int:
    found = conn.execute(ROWS, [job]).fetchone()
    assert found is not None
    return int(found[0])


if __name__ == "__main__":
    main()
