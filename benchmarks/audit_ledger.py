"""How long `harness audit` takes on a big ledger, on a primary and on its streaming replica, and what it misses.

    python benchmarks/audit_ledger.py [MILLIONS OF LEDGER ROWS]

Default 10. The ledger has inversions and ties of created_at, which are normal, and 25 faults of 14 kinds. Prints for
each server: wall time, processor time of the server, the machine's load meanwhile (over one minute), peak memory of the
harness (max RSS), faults found, missed, and told without being there.
The server's memory settings are PostgreSQL's own (work_mem 4 MB).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import psutil
import psycopg
from audit_ledgers import PLANTS, ROWS_PER_USER, ledger_script, migrations, plant
from standbys import PRIMARY, Standby, dsn

from harness.db import apply_script, connect
from harness.targets.embedded import EmbeddedTarget

FAULTS = 25
SETTINGS = PRIMARY | {
    "shared_buffers": "256MB", "maintenance_work_mem": "256MB", "max_wal_size": "4GB", "max_parallel_workers": "2",
    "max_parallel_workers_per_gather": "2",
}  # fmt: skip
# Loading into indexes of random keys takes many times as long as making them afterwards.
_WITHOUT_INDEXES = """ALTER TABLE balance_transactions DROP CONSTRAINT balance_transactions_pkey;
DROP INDEX balance_transactions_job_id_idx, balance_transactions_user_id_seq_idx,
  balance_transactions_refund_created_at_idx"""
_INDEXES = """ALTER TABLE balance_transactions ADD PRIMARY KEY (id);
CREATE INDEX balance_transactions_job_id_idx ON balance_transactions ((metadata ->> 'job_id'));
CREATE INDEX balance_transactions_user_id_seq_idx ON balance_transactions (user_id, seq);
CREATE INDEX balance_transactions_refund_created_at_idx ON balance_transactions (created_at) WHERE type = 'refund'"""


def loaded(target: EmbeddedTarget, users: int) -> set[tuple[str, str]]:
    """A database `ledger` with faults in it; (check, id) of each."""
    with connect(target.conninfo("postgres"), application_name="bench") as conn:
        conn.execute("CREATE DATABASE ledger")
    with connect(target.conninfo("ledger"), application_name="bench", bound_s=3600) as conn:
        for script in migrations():
            apply_script(conn, script)
        conn.execute(_WITHOUT_INDEXES)
        apply_script(conn, ledger_script(users))
        conn.execute(_INDEXES)
        wanted = plant(conn, PLANTS, users, FAULTS)
        conn.execute("VACUUM (ANALYZE)")
        loader = conn.info.backend_pid
    while psutil.pid_exists(loader):  # else its processor time would be counted as the audit's
        time.sleep(0.01)
    return wanted


def audited(where: str, postmaster: int, name: str, wanted: set[tuple[str, str]], folder: Path) -> None:
    report = folder / f"{name}.json"
    begin, work = time.perf_counter(), processor_s(postmaster)
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "audit", "--target", "env:LEDGER", "--show-ids", "--timeout", "600",
         "--out", str(folder), "--json", str(report)],
        env=os.environ | {"LEDGER": where}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    _, _, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    work = processor_s(postmaster) - work
    found = json.loads(report.read_text())
    columns = {p.check: p.column for p in PLANTS}
    told = {
        (c["check"], row[columns.get(c["check"], "job_id")])
        for c in found["checks"]
        if c["part"] == "ledger"
        for row in c["rows"]
    }
    load, memory = os.getloadavg()[0], used.ru_maxrss / 1024
    print(
        f"{name}: {seconds:.1f} s at load {load:.1f}, {work:.1f} s of the server's processors, {memory:.0f} MiB;"
        f" {len(told & wanted)} of {len(wanted)} faults found, {len(told - wanted)} told that are none",
        found.get("trouble", ""),
        flush=True,
    )


def processor_s(postmaster: int) -> float:
    """What its sessions that have ended have used."""
    times = psutil.Process(postmaster).cpu_times()
    return times.children_user + times.children_system


def main() -> None:
    millions = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    users = int(millions * 1_000_000 / ROWS_PER_USER)
    place = Path(tempfile.mkdtemp(prefix="rhb-", dir="/var/tmp"))
    place.chmod(0o755)
    try:
        with EmbeddedTarget(settings=SETTINGS, place=place) as target, tempfile.TemporaryDirectory() as out:
            begin = time.perf_counter()
            wanted = loaded(target, users)
            with psycopg.connect(target.conninfo("ledger")) as conn:
                size = conn.execute("SELECT pg_size_pretty(pg_database_size('ledger'))").fetchone()
            print(
                f"{users * ROWS_PER_USER:,} ledger rows made in {time.perf_counter() - begin:.0f} s, {size}", flush=True
            )
            audited(dsn(target, "ledger"), target.pid, "primary", wanted, Path(out))
            with Standby(target, timeout_s=1800) as standby:
                standby.caught_up()
                audited(standby.dsn("ledger"), standby.pid, "replica", wanted, Path(out))
    finally:
        place.rmdir()


if __name__ == "__main__":
    main()
