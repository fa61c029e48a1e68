"""A shop with one charged job behind a real server, and workers that refund it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from harness.targets.embedded import EmbeddedTarget
from harness.wire import Side, Trigger

SQL = Path(__file__).parents[2] / "sql"
MIGRATIONS = sorted((SQL / "migrations").glob("*.sql"))
ALICE, JOB = "a0000000-0000-0000-0000-000000000001", "charged"
BOUND_S = 120.0

REFUNDED = {"success": True, "refunded": True, "job_id": JOB, "amount": 1000, "new_balance": 5000}
ALREADY = {"success": False, "refunded": False, "job_id": JOB, "error": "Job already failed and refunded"}
REFUND = "SELECT refund_job_atomic(%s, %s, %s, %s)"
ARGUMENTS = (JOB, ALICE, 1000, "timeout")

COMMIT = Trigger(side=Side.CLIENT, kind="Query", sql="^commit")
COMMITTED = Trigger(side=Side.SERVER, kind="CommandComplete", tag="COMMIT")

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A database with one job, charged 1000 of 5000."""

    db: Connection
    conninfo: str

    def run(self, path: str, **variables: object) -> list[dict[str, Any]]:
        """Execute a file with `:'name'` replaced by quoted literals, as psql does it."""
        text = re.sub(
            r":'(\w+)'", lambda match: sql.Literal(str(variables[match[1]])).as_string(None), (SQL / path).read_text()
        )
        with self.db.cursor(row_factory=dict_row) as cursor:
            cursor.execute(text.encode(), prepare=False)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def violated(self) -> dict[str, list[dict[str, Any]]]:
        """Every shipped invariant that does not hold, with its rows."""
        rows = {
            path.stem: self.run(f"invariants/{path.name}", users=f"{{{ALICE}}}", jobs=f"{{{JOB}}}")
            for path in sorted((SQL / "invariants").glob("*.sql"))
        }
        assert len(rows) >= 10
        return {name: found for name, found in rows.items() if found}

    def refunds(self) -> list[int]:
        rows = self.db.execute("SELECT amount FROM public.balance_transactions WHERE type = 'refund' ORDER BY seq")
        return [amount for (amount,) in rows]

    def one_refund(self) -> bool:
        return self.violated() == {} and self.refunds() == [1000]


def open_shop(new_database: Callable[..., Connection], target: EmbeddedTarget) -> Shop:
    db = new_database(*MIGRATIONS)
    made = Shop(db=db, conninfo=target.conninfo(db.info.dbname))
    made.run("setup/open.sql", user=ALICE, balance=5000)
    made.run("setup/charge.sql", user=ALICE, job=JOB, amount=1000)
    return made


@contextmanager
def worker(conninfo: str) -> Iterator[Connection]:
    """A plain psycopg session of the service, outside autocommit."""
    conn = psycopg.connect(conninfo, options="-c role=service_role")
    try:
        yield conn
    finally:
        conn.close()


def refund(conninfo: str) -> Any:
    """What a worker does: one transaction with one call. Its answer, once the commit is acknowledged."""
    with worker(conninfo) as conn:
        row = conn.execute(REFUND, ARGUMENTS).fetchone()
        conn.commit()
    assert row is not None
    return row[0]


class Lost(Exception):
    """The worker cannot know whether it refunded."""


def refund_or_lost(conninfo: str) -> Any:
    try:
        return refund(conninfo)
    except psycopg.OperationalError as error:
        if error.sqlstate is not None:
            raise  # the server said what is wrong
        raise Lost from error
