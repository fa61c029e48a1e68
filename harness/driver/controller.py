"""The controller: executes plans, one after the other, on one database."""

from __future__ import annotations

from collections.abc import Callable

from psycopg.conninfo import make_conninfo

from harness.driver.crashes import Crash
from harness.driver.gatekeeper import Gatekeeper
from harness.driver.levels import require_level, with_level
from harness.driver.looks import Looks
from harness.driver.observer import Observer
from harness.driver.plan import Plan
from harness.driver.pool import WorkerPool
from harness.driver.running import Running
from harness.driver.splice import Splicer
from harness.model import Execution, Moment
from harness.strategies.protocol import Strategy


class Controller:
    """Executes plans on one database. ``owned``: the server is ours, so its backends may be stopped and continued.
    ``gated``: its functions have gates, so that plans may hold workers inside. ``isolation``: the level of the workers'
    sessions (None: the server's default); who only observes has the default. ``crash``: how its server is crashed,
    where it may be."""

    def __init__(
        self,
        pool: WorkerPool,
        conninfo: str,
        *,
        owned: bool,
        gated: bool = False,
        isolation: str | None = None,
        crash: Crash | None = None,
    ) -> None:
        self._pool, self._owned, self._crash = pool, owned, crash
        self._gatekeeper = Gatekeeper(conninfo) if gated else None
        self._conninfo = make_conninfo(
            with_level(conninfo, isolation), client_encoding="utf8", application_name="refund-harness worker"
        )
        self._splicer, self._looks = Splicer(), Looks()
        try:
            if isolation is not None:
                require_level(self._conninfo, isolation)
            self.observer = Observer(conninfo)
        except BaseException:
            if self._gatekeeper is not None:
                self._gatekeeper.close()
            raise

    def close(self) -> None:
        self.observer.close()
        if self._gatekeeper is not None:
            self._gatekeeper.close()
        self._splicer.close()

    def release(self, plan: Plan, *, seed: int = 0) -> Execution:
        """One execution without control: the workers are released together, in no order. Its schedule is empty."""
        assert plan.points is None
        return self._run(plan, lambda run: run.run_free(seed))

    def execute(
        self,
        plan: Plan,
        strategy: Strategy,
        *,
        seed: int = 0,
        on_change: Callable[[int], None] | None = None,
        on_turn: Callable[[Moment], None] | None = None,
    ) -> Execution:
        """Run one execution to its end; ``on_change`` is called with the turn whenever the committed ledger changed,
        ``on_turn`` with all sessions after every turn (which costs time: nobody is asked where it is None).

        Raises `DriverError` when a bound is reached, `UserSqlError` for the set-up, `RewindError` when the plan must
        have other timers.
        """

        def controlled(run: Running) -> Execution:
            run.on_change, run.on_turn = on_change, on_turn
            return run.execute(strategy, seed)

        return self._run(plan, controlled)

    def _run(self, plan: Plan, execute: Callable[[Running], Execution]) -> Execution:
        run = Running(
            self._pool, self._conninfo, self.observer, self._gatekeeper, self._splicer, self._looks, self._owned, plan,
            self._crash,
        )  # fmt: skip
        try:
            return execute(run)
        except BaseException:
            run.abandon()
            raise
