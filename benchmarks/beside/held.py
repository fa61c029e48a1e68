"""One function with seven gates, and its calls by two worker processes: the system that control is measured with."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import psycopg
from inside import SETUP, STATE, TABLES, workers

from harness.catalog import read_catalog
from harness.driver.controller import Controller
from harness.driver.plan import Plan, Points
from harness.driver.pool import WorkerPool
from harness.gating import install_gates
from harness.points import points, with_commits
from harness.strategies.protocol import Strategy
from harness.strategies.registry import make
from harness.strategies.serial import Serial

SERIAL = "serial"
"""No gate: the same calls, one after the other, with BEGIN and COMMIT."""


class Held:
    """``name``: of a strategy, or `SERIAL`. ``conninfo``: an empty database of its own."""

    def __init__(self, name: str, conninfo: str, pool: WorkerPool) -> None:
        self.count = 0
        self._points: Points | None = None
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(TABLES)
            catalog = read_catalog(connection)
            gates = install_gates(connection, catalog, ["SELECT refund('j', 1)"]) if name != SERIAL else None
        if gates is not None:
            cast = [with_commits(w, gates) for w in workers(0)[1]]
            self._points = points(cast, gates, catalog, "read committed", {})
        self.controller = Controller(pool, conninfo, owned=True, gated=gates is not None)
        self._fresh: Callable[[], Strategy] = (
            partial(Serial, ("w1", "w2"))
            if gates is None
            else partial(make, name, seed=0, limit=2000, workers=("w1", "w2"))
        )
        self._strategy = self._fresh()

    def once(self) -> int:
        """One schedule; the number of its turns."""
        self.count += 1
        names, cast = workers(self.count)
        setup = SETUP.format(job=names.values["j1"], user=names.values["alice"])
        plan = Plan(
            number=self.count, names=names, workers=cast, setup=(("setup", setup),), state=STATE, points=self._points
        )
        if not self._strategy.start():
            self._strategy = self._fresh()
            self._strategy.start()
        return len(self.controller.execute(plan, self._strategy).schedule.decisions)
