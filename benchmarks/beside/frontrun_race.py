"""Frontrun on one race, in a process of its own (it patches what it runs in).

python -m frontrun.cli python -m beside.frontrun_race CONNINFO RACE

RACE: "client" or "function", see `beside.races`. Frontrun must be importable. Prints "found" or "not found", how many
interleavings that took, and the seconds.
"""

from __future__ import annotations

import itertools
import sys
import time
from typing import Any

import psycopg

from beside.races import CALL, DOUBLES, FIRST, JOB, LEGACY

LIMIT = 200


def main(conninfo: str, race: str) -> None:
    import frontrun  # not installed where types are checked

    numbers = itertools.count(FIRST[race])

    def set_up() -> dict[str, int]:
        number = next(numbers)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(JOB.format(n=number).encode())
        return {"number": number}

    def worker(state: dict[str, int]) -> None:
        number = state["number"]
        with psycopg.connect(conninfo, autocommit=True) as connection:
            cursor: psycopg.Cursor[Any] = connection.cursor()
            if race == "function":
                cursor.execute(CALL.format(n=number).encode())
                return
            look, *acts = LEGACY
            row = cursor.execute(look.format(n=number).encode()).fetchone()
            if row is not None and row[0]:
                for sql in acts:
                    cursor.execute(sql.format(n=number).encode())

    def holds(state: dict[str, int]) -> bool:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            return connection.execute(DOUBLES.format(n=state["number"]).encode()).fetchone() is None

    begin = time.perf_counter()
    result = frontrun.explore(
        set_up, [worker, worker], holds, max_executions=LIMIT, total_timeout=60.0, reproduce_on_failure=0
    )
    took = time.perf_counter() - begin
    print("found" if result.property_holds is False else "not found", result.num_explored, took)


if __name__ == "__main__":
    main(*sys.argv[1:])
