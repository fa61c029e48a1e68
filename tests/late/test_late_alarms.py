"""What `make late` rests on: with late alarms it is luck whom PostgreSQL strikes, unless somebody does something."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg

from harness.targets.embedded import EmbeddedTarget

TABLE = "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0), (2, 0)"
LOCK = "SELECT FROM t WHERE id = %s FOR UPDATE"


def test_the_server_has_them(target: EmbeddedTarget) -> None:
    assert "late_alarms.so" in Path(f"/proc/{target.pid}/maps").read_text()


def test_without_us_the_victim_is_luck(new_database: Any) -> None:
    """The second one closes the cycle long after the first one's check was due."""
    conninfo = new_database().info.dsn
    struck = Counter[str]()
    with psycopg.connect(conninfo) as first, psycopg.connect(conninfo) as second:
        first.execute(TABLE.encode())
        first.commit()

        def lock(name: str, connection: psycopg.Connection[Any], row: int) -> None:
            try:
                connection.execute(LOCK, [row])
            except psycopg.errors.DeadlockDetected:
                struck[name] += 1

        for _ in range(40):
            first.execute(LOCK, [1])
            second.execute(LOCK, [2])
            waiter = threading.Thread(target=lock, args=("first", first, 2))
            waiter.start()
            time.sleep(0.003)
            lock("second", second, 1)
            second.rollback()
            waiter.join()
            first.rollback()
    assert struck["first"]
    assert struck["second"]
    assert struck.total() == 40
