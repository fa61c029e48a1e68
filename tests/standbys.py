"""A streaming replica of a server of ours."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg

from harness.targets.account import server_account
from harness.targets.closing import Closing
from harness.targets.embedded import EmbeddedTarget
from harness.targets.launch import Launch

PRIMARY = {
    "wal_level": "replica",
    "max_wal_senders": "4",
    "max_replication_slots": "4",
    "hot_standby": "on",
    "max_worker_processes": "8",
}
"""Settings of a server that can have one."""
_PORT = 5433
_PATIENCE_S = 120.0


def dsn(target: EmbeddedTarget, dbname: str, port: int = 5432) -> str:
    """How somebody else would name the database."""
    return f"postgresql://postgres@/{dbname}?host={target.folder}&port={port}"


class Standby(Closing):
    """Copies ``primary`` by `pg_basebackup` and follows it from then on, beside it in its run folder."""

    def __init__(self, primary: EmbeddedTarget, *, timeout_s: float = 60.0) -> None:
        self.primary = primary
        account = server_account()
        data = Path(primary.folder) / "standby"
        programs = primary.binaries.folder
        account.run(
            [programs / "pg_basebackup", "-h", primary.folder, "-U", "postgres", "-D", data, "-X", "stream", "-R",
             "-c", "fast", "--no-sync"], timeout=timeout_s,
        )  # fmt: skip
        with (data / "postgresql.conf").open("a") as conf:
            conf.write(f"port = {_PORT}\nmax_standby_streaming_delay = '1s'\n")
        self._launch = Launch([str(programs / "postgres"), "-D", str(data)], account, primary.folder / "standby.log")

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        return self._launch.process.pid

    def dsn(self, dbname: str) -> str:
        return dsn(self.primary, dbname, _PORT)

    def caught_up(self) -> None:
        """Return when it has replayed all that the primary has written."""
        with psycopg.connect(self.primary.conninfo("postgres"), autocommit=True) as there:
            # Nothing is sent before it is written out, and with asynchronous commits nobody may do that for long.
            there.execute("SET synchronous_commit = on")
            there.execute("SELECT pg_logical_emit_message(true, 'here', '')")
            [wanted] = there.execute("SELECT pg_current_wal_flush_lsn()").fetchone() or ()
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            try:
                with psycopg.connect(self.dsn("postgres"), autocommit=True) as here:
                    found = here.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [wanted]).fetchone()
                if found and found[0]:
                    return
            except psycopg.OperationalError:
                assert self._launch.process.poll() is None, (self.primary.folder / "standby.log").read_text()
            time.sleep(0.01)
        raise AssertionError("the replica does not catch up")

    def close(self) -> None:
        self._launch.stop(timeout=10)
